"""What looks like personal data, by its name or its form. Pure; a person has the word."""

import re
from typing import Any

from segments.models import DictionaryEntry

Personal = DictionaryEntry.Personal

# By the words of a name, in lower case: firstName and "First Name" are both first name.
_NAMES = {
    Personal.EMAIL: re.compile(r"\b(e ?mail|mail address)\b"),
    Personal.PHONE: re.compile(r"\b(phone|mobile|msisdn|telephone|whatsapp)\b"),
    Personal.NAME: re.compile(
        r"^((first|last|middle|full|family|given|sur|maiden|nick) ?name|name"
        r"|name of the user|(user|customer|contact) (full )?name)$"
    ),
    Personal.BIRTH: re.compile(r"\b(birth ?(day|date)?|date of birth|dob)\b"),
}
# "email_opens", "phone verified": about it, and not it.
_ABOUT = re.compile(
    r"\b(opens?|opened|clicks?|clicked|opt(ed)?|subscribed?|subscription|status|count"
    r"|verified|consent|type|model|brand|template|sent|bounced?|campaign)\b"
)
_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]+\.[^@\s.]{2,}")
_PHONE = re.compile(r"\+\d[\d ()./-]{6,20}")
_WORDS = re.compile(r"[^0-9a-zA-Z]+|(?<=[a-z])(?=[A-Z])")


def by_name(name: str) -> str:
    """A key of Personal; "" where the name says nothing."""
    words = " ".join(filter(None, _WORDS.split(name))).lower()
    if _ABOUT.search(words):
        return ""
    return next((kind for kind, form in _NAMES.items() if form.search(words)), "")


def by_value(value: Any) -> str:
    """A key of Personal; "" where the value has no form that tells."""
    if not isinstance(value, str) or len(value) > 320:
        return ""
    if "@" in value and _EMAIL.fullmatch(value):
        return Personal.EMAIL
    if value.startswith("+") and _PHONE.fullmatch(value):
        return Personal.PHONE
    return ""
