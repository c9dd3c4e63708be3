"""Lines that a spreadsheet opens, and does not run."""

import csv
import re
from collections.abc import Iterable

# The mark by which spreadsheets know UTF-8.
MARK = "\ufeff"
# What a spreadsheet takes for the begin of a formula (OWASP, CSV injection): also
# behind what it does not show or trims, as full-width signs, and after what separates
# cells where a comma does not.
_BEGIN = r"(^|\r\n|[;\t\n\v\f\r\x85\u2028\u2029])"
_SIGN = (
    r"(?=[\s\"\x00-\x1f\x7f-\xa0\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    r"\u200b-\u200f\u202a-\u202f\u205f-\u206f\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0"
    r"\ufff0-\ufffb]*[=+\-@\u2212\ufe62-\ufe66\ufe6b\uff0b\uff0d\uff1d\uff20])"
)
_FORMULA = re.compile(_BEGIN + _SIGN)
_MADE_HARMLESS = re.compile(f"{_BEGIN}'")
_HIDDEN_BEGIN = ("\t", "\r", "\n")


class _Line:
    """What csv writes to: it hands each line on."""

    def write(self, line: str) -> str:
        return line


_writer = csv.writer(_Line())


def line(cells: Iterable[object]) -> str:
    """The cells as a line of CSV, each of them harmless."""
    written: str = _writer.writerow(map(harmless, cells))
    return written


def harmless(value: object) -> str:
    """The value as a text that no spreadsheet runs: `=1+1` becomes `'=1+1`.

    A number is none of its formulas: -3 stays.
    """
    if isinstance(value, int | float):
        return str(value)
    text = str(value).replace("\0", "")
    safe = _FORMULA.sub(r"\1'", text)
    is_bare = text.startswith(_HIDDEN_BEGIN) and not safe.startswith("'")
    return f"'{safe}" if is_bare else safe


def as_it_was(text: str) -> str:
    """The text that `harmless` makes this of, or the text itself where there is none.

    (P) A text that really began with `'=` loses its mark: a spreadsheet takes it away,
    too, when somebody types it.
    """
    was = _MADE_HARMLESS.sub(r"\1", text)
    return was if was != text and harmless(was) == text else text
