"""Who may see people, and their data; and what is shown in place of it to others.

Who may see people but not their data has them masked: enough to tell two apart, and too
little to know who it is. Whose dictionary says that a name holds no personal data shows
its values to everybody.
"""

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

from django.contrib import admin
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest

from segments.models import DictionaryEntry, Profile

PERMISSION = "segments.view_profile"
PERSONAL_DATA = "segments.view_personal_data"
ERASED = "Somebody who was erased"
GAP = "…"
_EMAIL = re.compile(r"([^\s@<>“”\"',:;]+)(@[^\s@<>“”\"',:;]+)")
_PHONE = re.compile(r"(\+\d{2})[\d ()./-]{4,}(\d{2})")

User = AbstractBaseUser | AnonymousUser


def may_see_people(user: User) -> bool:
    """Whether names, identifiers and data of people are for this user, unmasked."""
    return bool(user.has_perms((PERMISSION, PERSONAL_DATA)))  # type: ignore[union-attr]


def called(person: Profile | None, user: User) -> str:
    """What people find them by; a number that tells them apart for everybody else."""
    if person is None:
        return ERASED
    return str(person) if may_see_people(user) else f"Person {person.pk}"


def column(
    request: HttpRequest, person_of: Callable[[Any], Profile | None]
) -> Callable[[Any], str]:
    """A column of an admin's list or page: what this user calls a row's person."""

    @admin.display(description="person")
    def person(row: Any) -> str:
        return called(person_of(row), request.user)

    return person


# --- Masked ---------------------------------------------------------------------------


def masked(value: Any) -> Any:
    """A JSON value of which too little is left: a…@example.com, +49…12, A…

    Of a text of several words, such as a name, the initials. Names of fields stay, and
    so does yes or no.
    """
    if isinstance(value, dict):
        return {name: masked(item) for name, item in value.items()}
    if isinstance(value, list):
        return [masked(item) for item in value]
    if value is None or isinstance(value, bool):
        return value
    return _masked_text(value) if isinstance(value, str) else GAP


def masked_values(values: Mapping[str, Any], shown: Collection[str]) -> dict[str, Any]:
    """The same of attributes or properties; those that are `shown` as they are."""
    try:
        return {
            name: value if name in shown else masked(value)
            for name, value in values.items()
        }
    except RecursionError:
        return dict.fromkeys(values, GAP)


def mask(person: Profile) -> None:
    """Mask a row in memory, so that whatever shows it shows no more. Never save it."""
    person.external_id = person.external_id and masked(person.external_id)
    person.email, person.phone = masked(person.email), masked(person.phone)
    person.attributes = masked_values(person.attributes, shown_attributes())
    person.attribute_times = {
        # Without what was typed.
        name: stamp[:3]
        for name, stamp in person.attribute_times.items()
    }
    person.own = None


def shown_attributes() -> set[str]:
    """Attributes of which somebody said that they hold no personal data."""
    entries = DictionaryEntry.objects.filter(is_personal=False)
    found = entries.filter(kind=DictionaryEntry.Kind.ATTRIBUTE)
    return set(found.values_list("name", flat=True))


def shown_properties(events: Collection[str]) -> Mapping[str, set[str]]:
    """The same of properties, by the name of their event."""
    entries = DictionaryEntry.objects.filter(is_personal=False, event__in=events)
    found = entries.filter(kind=DictionaryEntry.Kind.PROPERTY)
    shown: dict[str, set[str]] = {name: set() for name in events}
    for event, name in found.values_list("event", "name"):
        shown[event].add(name)
    return shown


def scrubbed(text: str, user: User) -> str:
    """Words of ours or of an API, with addresses and numbers masked for this user."""
    if may_see_people(user):
        return text
    text = _EMAIL.sub(lambda found: f"{found[1][0]}{GAP}{found[2]}", text)
    return _PHONE.sub(rf"\1{GAP}\2", text)


def _masked_text(text: str) -> str:
    if not text.strip():
        return text
    if email := _EMAIL.fullmatch(text):
        return f"{email[1][0]}{GAP}{email[2]}"
    if phone := _PHONE.fullmatch(text):
        return f"{phone[1]}{GAP}{phone[2]}"
    words = text.split()
    return " ".join(f"{word[0]}{GAP}" for word in words[:3])
