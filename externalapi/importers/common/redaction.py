"""Taking the secrets out of what was pasted, before it is shown again."""

from externalapi.http.redaction import without
from externalapi.importers.common.http_request import is_gap
from externalapi.importers.common.types import Imported

# Read again, it is a gap: nobody takes it for a key.
HIDDEN = "HIDDEN"


def without_secrets(text: str, found: Imported) -> str:
    """Return what was pasted with each secret as HIDDEN, however it is written."""
    secrets = [one for one in found.secrets if not is_gap(one)]
    return without(text, secrets, HIDDEN)
