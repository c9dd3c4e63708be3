"""Taking the secrets out of what was pasted, before it is shown again."""

from urllib.parse import quote, quote_plus

from externalapi.pasted.imported import Imported
from externalapi.pasted.request import is_gap

# Read again, it is a gap: nobody takes it for a key.
HIDDEN = "HIDDEN"
# A shorter text would be found in the middle of words.
_SHORTEST = 4


def without_secrets(text: str, found: Imported) -> str:
    """Return what was pasted with each secret as HIDDEN, however it is written."""
    for secret in found.secrets:
        if is_gap(secret) or len(secret) < _SHORTEST:
            continue
        for written in (secret, quote(secret, safe=""), quote_plus(secret)):
            text = text.replace(written, HIDDEN)
    return text
