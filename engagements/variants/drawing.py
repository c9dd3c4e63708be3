"""Who gets which variant: drawn by chance, and always the same.

By a hash of the person with a salt of the engagement's own, which is not the holdout's:
who is kept out says nothing of who gets what. (P) The person is who they are now: whoever
turns out to be part of another gets that one's, whom no merge moves. (P) By chance means
that a share is met on the average: of 10,000 people 50 % are 5,000, give or take 100.
To be exact to the person it would have to be written down for everybody, and whoever
comes or goes would move others.
"""

from collections.abc import Iterable
from hashlib import sha256

from engagements.variants.plan import HUNDREDTHS, Variants

# What is drawn is below this.
ALL = 1 << 64


def drawn(salt: str, person: int) -> int:
    """What a salt draws for a person, each time the same; another draws by itself."""
    return int.from_bytes(sha256(f"{salt}\n{person}".encode()).digest()[:8])


def below(salt: str, people: Iterable[int], most: int) -> set[int]:
    """Of these people those for whom the salt draws less than `most`."""
    if most >= ALL:
        return set(people)
    text, limit = f"{salt}\n".replace("%", "%%").encode() + b"%d", most.to_bytes(8)
    # Bytes stand in the order of the numbers that they begin with.
    return {person for person in people if sha256(text % person).digest() < limit}


def salt(engagement_id: int) -> str:
    return f"variants of engagement {engagement_id}"


def hundredth(engagement_id: int, person: int) -> int:
    """Which of the hundredths (from 0) a person is in."""
    return drawn(salt(engagement_id), person) * HUNDREDTHS // ALL


def number(variants: Variants, engagement_id: int, person: int) -> int:
    """The number of the variant that a person gets."""
    return variants.at(hundredth(engagement_id, person))


def numbers(
    variants: Variants, engagement_id: int, people: Iterable[int]
) -> dict[int, int]:
    """The same of many, by person."""
    return {person: number(variants, engagement_id, person) for person in people}


def why(variants: Variants, engagement_id: int, person: int) -> str:
    """Why a person gets the variant that they get."""
    if winner := variants.winning:
        return f"{winner} was chosen the winner: everybody gets it."
    at = hundredth(engagement_id, person)
    its = variants.hundredths.count(variants.hundredths[at])
    return (
        f"Drawn by chance, and always the same: they are in hundredth {at + 1} of all"
        f" people, one of the {its} that get it."
    )
