"""Texts that name somebody: told apart from all others, and taken out of them.

An identifier of some length is found in any text. A short one, such as 42, is also a
quantity: it counts where a field says that it is an identifier.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from segments.identity.calls import PHONE, Key

# In characters: shorter ones are found in identifiers' own fields alone.
SHORT = 6
ERASED = "(erased)"
# Names of such fields, without case, blanks and punctuation.
ID_FIELDS = frozenset(
    {
        "id",
        "ids",
        "userid",
        "anonymousid",
        "previousid",
        "externalid",
        "externalids",
        "customerid",
        "groupid",
    }
)
# So many digits of a phone number say whose it is.
NATIONAL = 8
_NUMBER = re.compile(r"[\d\s()+./-]{8,30}")
_NO_DIGIT = re.compile(r"\D")
_PUNCTUATION = re.compile(r"[\W_]+")
# What may be written in another way in JSON or in another encoding.
_ESCAPED = re.compile(r"[^A-Za-z0-9.-]+")


@dataclass(frozen=True)
class Named:
    """Somebody as rows know them, `people`, and as texts do, `keys`."""

    people: tuple[int, ...]
    keys: frozenset[Key]

    @cached_property
    def likes(self) -> list[str]:
        """Patterns of ILIKE: a text that names them is like one of these.

        In whatever encoding it is, and however its letters are escaped. Others may be
        as well.
        """
        texts = {_ESCAPED.sub("%", value) for _, value in self.keys}
        texts |= {"%".join(digits[-NATIONAL:]) for digits in self._phones}
        return sorted(f"%{text}%" for text in texts)

    @cached_property
    def scan(self) -> re.Pattern[bytes] | None:
        """What is found in the bytes of a file in UTF-8 that names them."""
        parts = {b"".join(map(_in_any_form, value)) for _, value in self.keys}
        parts |= {
            rb"[^\n0-9]{0,3}".join(bytes([d]) for d in digits[-NATIONAL:].encode())
            for digits in self._phones
        }
        if not parts:
            return None
        text = rb"(?<![A-Za-z0-9])(?:" + b"|".join(sorted(parts)) + rb")(?![A-Za-z0-9])"
        return re.compile(text, re.IGNORECASE)

    def is_in(self, value: Any) -> bool:
        """Whether a text, a JSON value or the bytes of one names them."""
        return any(
            self._names(text, is_id) for text, is_id in _texts(_read(value), False)
        )

    def hide(self, value: Any) -> Any:
        """A text or JSON value without them."""
        if isinstance(value, dict):
            return {self.hide(name): self.hide(item) for name, item in value.items()}
        if isinstance(value, list):
            return [self.hide(item) for item in value]
        if not isinstance(value, str):
            return value
        if self._is_one(value):
            return ERASED
        return self._long.sub(ERASED, value) if self._long else value

    @cached_property
    def _values(self) -> frozenset[str]:
        return frozenset(value.strip().casefold() for _, value in self.keys)

    @cached_property
    def _long(self) -> re.Pattern[str] | None:
        values = sorted((v for v in self._values if len(v) >= SHORT), key=len)
        if not values:
            return None
        either = "|".join(re.escape(value) for value in reversed(values))
        # Whole: ann@example.com is neither in joann@example.com nor …com.au.
        text = rf"(?<![\w@+-])(?<!\w\.)(?:{either})(?![\w@-]|\.\w)"
        return re.compile(text, re.IGNORECASE)

    @cached_property
    def _phones(self) -> list[str]:
        numbers = (value for kind, value in self.keys if kind == PHONE)
        digits = (_NO_DIGIT.sub("", number) for number in numbers)
        return [number for number in digits if len(number) >= NATIONAL]

    def _is_one(self, text: str) -> bool:
        if text.strip().casefold() in self._values:
            return True
        # However it is typed, and with or without its country.
        if not self._phones or not _NUMBER.fullmatch(text):
            return False
        digits = _NO_DIGIT.sub("", text).lstrip("0")
        is_long = len(digits) >= NATIONAL
        return is_long and any(number.endswith(digits) for number in self._phones)

    def _names(self, text: str, is_id: bool) -> bool:
        if (is_id or len(text) >= SHORT) and self._is_one(text):
            return True
        return bool(self._long and self._long.search(text))


def _in_any_form(letter: str) -> bytes:
    """A letter as UTF-8 or JSON has it, large or small."""
    if letter.isascii() and letter.isalnum():
        return letter.encode()
    cases = {letter, letter.lower(), letter.upper()}
    forms = {re.escape(case.encode()) for case in cases}
    forms |= {rb"\\u%04x" % ord(case) for case in cases if len(case) == 1}
    return b"(?:" + b"|".join(sorted(forms)) + b")"


def _read(value: Any) -> Any:
    if isinstance(value, memoryview):
        value = bytes(value)
    if isinstance(value, bytes):
        value = value.decode(errors="replace")
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def _texts(value: Any, is_id: bool) -> Iterator[tuple[str, bool]]:
    """Yield each text and number of a JSON value, and whether an identifier's field."""
    waiting = [(value, is_id)]
    while waiting:
        value, is_id = waiting.pop()
        if isinstance(value, dict):
            for name, item in value.items():
                yield name, False
                field = _PUNCTUATION.sub("", name).casefold()
                waiting.append((item, field in ID_FIELDS or (is_id and not field)))
        elif isinstance(value, list):
            waiting += ((item, is_id) for item in value)
        elif isinstance(value, str):
            yield value, is_id
        elif isinstance(value, int) and not isinstance(value, bool):
            yield str(value), is_id
