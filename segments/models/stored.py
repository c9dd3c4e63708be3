"""People's data as the database has them, read alike by pages, previews and sending.

JSON bounds no number. orjson reads one beyond 64 bits as the nearest double, json as it
is written: two readers would show one text and send another.
"""

import json
from decimal import Decimal
from math import inf
from typing import Any

import orjson

# More digits than the largest double has, and fewer than Python refuses to read.
MAX_DIGITS = 4_000
_DOUBTFUL = b"0" * 20
_TO_ZERO = bytes.maketrans(b"123456789", b"000000000")


def read(text: str) -> Any:
    """Return what the JSON text of a jsonb column says; raises ValueError.

    A number that no double is written like keeps all its digits, as an int.
    """
    # Looked for by machine loops: nobody's data has such a number, and everybody waits.
    if _DOUBTFUL not in text.encode().translate(_TO_ZERO):
        return orjson.loads(text)
    try:
        return json.loads(text, parse_int=_whole)
    except RecursionError as e:
        raise ValueError("it is nested too deeply") from e


def write(value: Any) -> str:
    """Return what `read` reads as the value; raises TypeError."""
    try:
        return orjson.dumps(value).decode()
    except TypeError:
        # A number that orjson does not write.
        return json.dumps(value, ensure_ascii=False)


class Decoder(json.JSONDecoder):
    """`read` for a model's field."""

    def decode(self, s: str, *args: Any) -> Any:
        return read(s)


def _whole(digits: str) -> int | float:
    if len(digits) > MAX_DIGITS:
        return -inf if digits[0] == "-" else inf
    number = int(digits)
    if -(2**63) <= number < 2**64:
        return number
    try:
        nearest = float(number)
    except OverflowError:
        return number
    return nearest if Decimal(repr(nearest)) == number else number
