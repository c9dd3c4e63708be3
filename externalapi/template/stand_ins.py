"""Words that stand where a value has yet to be put in: `<user_id>`, YOUR_APP_ID."""

import re

# The named groups hold the words without what is around them.
GAP = re.compile(
    r"<(?P<angle>[A-Za-z][\w .-]{0,60})>"
    r"|(?<![{$])\{(?P<curly>[A-Za-z_][\w .-]{0,60})\}(?!\})"
    r"|\$\{(?P<braced>\w{1,60})\}|\$(?P<dollar>[A-Z_][A-Z0-9_]{1,60})"
    r"|(?P<yours>\b(?:YOUR|MY|INSERT)[_-][A-Z0-9_-]{1,60}|\byour[_-][a-z0-9_-]{1,60}"
    r"|\b[a-z0-9]+(?:_[a-z0-9]+)*_(?:here|identifier(?:_\d+)?))"
)


def gaps(text: str) -> list[re.Match[str]]:
    """Return the gaps of a text; markup's own angle brackets are none."""
    if "</" in text or "/>" in text:
        return []
    return list(GAP.finditer(text))
