"""How an e-mail address and a phone number are kept, whatever they look like when sent."""

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

import phonenumbers
from django.conf import settings

from lemnisk_braze.lib.names import visible

# With a country code, as everybody's number is one.
INTERNATIONAL = re.compile(r"\+[1-9][0-9]{6,14}")
_COUNTRY_CODES = {str(code) for code in phonenumbers.COUNTRY_CODE_TO_REGION_CODE}
_DIGITS = re.compile(r"[1-9][0-9]{10,14}")
_PUNCTUATION = re.compile(r"[\s()./\-\u2010-\u2015]")
# What programs make of a number that they took for a figure: 919876543210.0.
_AS_FIGURE = re.compile(r"([^.]*[0-9])\.0")
# A number a line, each as is_international has it.
_TRUNK_ZERO = "|".join(sorted(_COUNTRY_CODES, key=lambda code: (len(code), code)))
_NUMBERS = re.compile(rf"(?:\+(?!(?:{_TRUNK_ZERO})0)[1-9][0-9]{{6,14}}(?:\n|\Z))*+")


def as_email(text: str) -> str:
    """In lower case and one form of each letter, without what nobody sees.

    (P) Dots and what follows a plus sign stay: only Gmail reads past them.
    """
    if text.isascii() and text.isprintable():
        return text.strip().lower()
    return unicodedata.normalize("NFC", visible(text).strip().lower())


def as_phone(text: str) -> str:
    """As E.164 has it, such as +447700900123; as it was typed where nobody can tell.

    A national number needs PHONE_REGION. (P) Eleven and more digits that do not begin
    with 0 may be a number without its plus sign, and what begins with 00 one with the
    sign that most countries dial; where the region knows them as one of its own, they
    are that.
    """
    return _as_phone(text, settings.PHONE_REGION or None)


def as_begun(text: str) -> str:
    """What was typed of a number that begins with its plus sign, as it is kept so far."""
    dialled = as_dialled(visible(text).strip())
    return _PUNCTUATION.sub("", dialled) if dialled.startswith("+") else text


def are_kept(kind: str, texts: Sequence[str]) -> bool:
    """Whether each of these e-mails or phones is certainly kept just as it was typed."""
    joined = "\n".join(texts)
    if not joined.isascii() or joined.count("\n") != len(texts) - 1:
        return False
    if kind == "phone":
        return bool(_NUMBERS.fullmatch(joined))
    return (
        joined.replace("\n", "").isprintable()
        and " " not in joined
        and joined == joined.lower()
    )


def as_dialled(text: str) -> str:
    """What is dialled of a number as it was typed: in ASCII digits, without `tel:`."""
    if not text.isascii():
        letters = unicodedata.normalize("NFKC", text)
        text = "".join(str(unicodedata.decimal(c, c)) for c in letters)
    if text[:4].lower() == "tel:":
        text = text[4:]
    found = _AS_FIGURE.fullmatch(text)
    return found[1] if found else text


def parsed(text: str, region: str | None) -> phonenumbers.PhoneNumber | None:
    """The number that is dialled; None where it is none, or has an extension.

    (P) Letters are no digits, as phonenumbers has them: it reads 77OO as 77, and
    “home” behind a number as four digits more.
    """
    if any(map(str.isalpha, text)):
        return None
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    return None if number.extension else number


def is_international(text: str) -> bool:
    """Whether it is a number as it is kept, plus sign, country code and all."""
    return bool(INTERNATIONAL.fullmatch(text)) and not _has_trunk_zero(text)


@lru_cache(maxsize=1 << 16)
def _as_phone(text: str, region: str | None) -> str:
    typed = visible(text).strip()
    if is_international(typed):
        return typed
    dialled = as_dialled(typed)
    digits = _PUNCTUATION.sub("", dialled)
    readings = [(dialled, region)] if region or digits.startswith("+") else []
    if _DIGITS.fullmatch(digits):
        readings.append((f"+{digits}", None))
    if digits.startswith("00"):
        readings.append((f"+{digits[2:]}", None))
    numbers = list(filter(None, (_parsed(*reading) for reading in readings)))
    # One that is in use before one that could be.
    for number in numbers:
        if phonenumbers.is_valid_number(number):
            return _e164(number)
    for number in numbers:
        if phonenumbers.is_possible_number(number):
            return _e164(number)
    return typed


def _has_trunk_zero(number: str) -> bool:
    """Whether a 0 follows the country code: +44 (0)7700… is +447700…."""
    codes = (n for n in (1, 2, 3) if number[1 : 1 + n] in _COUNTRY_CODES)
    return number[1 + next(codes, 0) :].startswith("0")


def _parsed(text: str, region: str | None) -> phonenumbers.PhoneNumber | None:
    number = parsed(text, region)
    if number is None or not INTERNATIONAL.fullmatch(kept := _e164(number)):
        return None
    # Zeros that are left over are read in another way the next time.
    return number if _e164(phonenumbers.parse(kept, None)) == kept else None


def _e164(number: phonenumbers.PhoneNumber) -> str:
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))
