"""Texts without upper and lower case, accents and ways to write the same character.

Both here and in PostgreSQL (`segments_fold`, made by a migration): compatible characters
are taken apart (NFKD), accents go, what is left is put together and in lower case; what
Unicode does not take apart, such as ø, becomes the letters that it is written with.
"""

import re
import unicodedata

from segments.rules.comparing.operator import FOLD, JSON, TEXT, Comparison

_ACCENTS = re.compile("[\u0300-\u036f]+")
# One letter by one, as SQL's translate has it; then those that are two.
LETTERS = ("ςøłđħıŧð", "σoldhitd")
PAIRS = {"ß": "ss", "æ": "ae", "œ": "oe", "þ": "th"}
_WRITTEN = str.maketrans({**dict(zip(*LETTERS, strict=True)), **PAIRS})

# A list is folded element by element.
FOLDED = (
    f"CASE jsonb_typeof({JSON})"
    f" WHEN 'string' THEN to_jsonb(segments_fold({TEXT}))"
    " WHEN 'array' THEN (SELECT coalesce(jsonb_agg("
    "CASE jsonb_typeof(element) WHEN 'string'"
    " THEN to_jsonb(segments_fold(element #>> '{}'))"
    " ELSE element END ORDER BY place), '[]')"
    f" FROM jsonb_array_elements({JSON}) WITH ORDINALITY listed (element, place))"
    f" ELSE {JSON} END"
)


def fold(text: str) -> str:
    """The text as `segments_fold` has it."""
    if text.isascii():
        return text.lower()
    bare = _ACCENTS.sub("", unicodedata.normalize("NFKD", text))
    return unicodedata.normalize("NFC", bare).lower().translate(_WRITTEN)


def is_folded(comparison: Comparison) -> bool:
    """Whether upper and lower case and accents make no difference to it."""
    return bool(comparison.get(FOLD))


def as_text(comparison: Comparison) -> str:
    """How a comparison of texts reads the value on the left."""
    return FOLDED if is_folded(comparison) else JSON


def value(comparison: Comparison, one: object) -> object:
    """A value of the rule's, folded where the comparison is."""
    return fold(one) if isinstance(one, str) and is_folded(comparison) else one
