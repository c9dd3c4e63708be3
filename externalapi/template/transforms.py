"""What a parameter's text goes through before it is sent, for conversion APIs mostly.

E-mail addresses are trimmed and lower-cased before they are hashed: Meta's Conversions
API ("Customer Information Parameters") and Google Ads ("Enhanced conversions") agree on
that. On phone numbers they differ: Google hashes E.164 with its plus, Meta the digits
alone. A value that is a SHA-256 already stays as it is.
"""

import hashlib
import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from types import MappingProxyType

_HASHED = re.compile(r"[0-9a-fA-F]{64}")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_PHONE_MARKS = re.compile(r"[\s().\-/]+")
# E.164: a country code, which never begins with 0, and 15 digits at most.
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")


class Transform(StrEnum):
    NONE = "none"
    TRIM = "trim"
    LOWER = "lower"
    SHA256_EMAIL = "sha256_email"
    SHA256_PHONE = "sha256_phone"
    SHA256_PHONE_DIGITS = "sha256_phone_digits"

    @property
    def label(self) -> str:
        return _LABELS[self]

    @property
    def is_hash(self) -> bool:
        return self.value.startswith("sha256")


_LABELS = {
    Transform.NONE: "As it is",
    Transform.TRIM: "Without spaces around it",
    Transform.LOWER: "Lower case, without spaces around it",
    Transform.SHA256_EMAIL: "SHA-256 of the normalised e-mail",
    Transform.SHA256_PHONE: "SHA-256 of the phone as +49151… (Google)",
    Transform.SHA256_PHONE_DIGITS: "SHA-256 of the phone's digits (Meta)",
}


def _email(text: str) -> str:
    email = text.strip().lower()
    if not _EMAIL.fullmatch(email):
        raise ValueError(f"“{text[:40]}” is not an e-mail address")
    return email


def _phone(text: str) -> str:
    number = _PHONE_MARKS.sub("", text)
    if number.startswith("00"):
        number = f"+{number[2:]}"
    if not _E164.fullmatch(number):
        raise ValueError(
            f"“{text[:40]}” is not a phone number with its country, as +4915112345678"
        )
    return number


def _hashed(normalise: Callable[[str], str]) -> Callable[[str], str]:
    def transform(text: str) -> str:
        if _HASHED.fullmatch(bare := text.strip()):
            return bare.lower()
        return hashlib.sha256(normalise(text).encode()).hexdigest()

    return transform


# Each raises ValueError with a sentence for what it cannot take.
TRANSFORMS: Mapping[Transform, Callable[[str], str]] = MappingProxyType(
    {
        Transform.TRIM: str.strip,
        Transform.LOWER: lambda text: text.strip().lower(),
        Transform.SHA256_EMAIL: _hashed(_email),
        Transform.SHA256_PHONE: _hashed(_phone),
        Transform.SHA256_PHONE_DIGITS: _hashed(lambda text: _phone(text)[1:]),
    }
)
