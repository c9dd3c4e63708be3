"""A draw that comes out the same each time: a hash of somebody with a salt."""

from hashlib import sha256

# A draw is below this.
ALL = 1 << 64


def drawn(salt: str, person: int) -> int:
    """What the salt draws for a person; another salt draws by itself."""
    return int.from_bytes(sha256(f"{salt}\n{person}".encode()).digest()[:8])
