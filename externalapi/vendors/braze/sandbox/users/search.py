"""Finds people as Braze's Search Users does, and by the beginnings of identifiers."""

from collections.abc import Iterator
from heapq import nlargest
from itertools import chain

from externalapi.vendors.braze.sandbox.users.users import (
    People,
    User,
    email_key,
    phone_key,
)


def search(people: People, text: str, limit: int = 20) -> list[User]:
    """Who has this identifier, then who has one that begins so; nobody twice."""
    found: dict[int, User] = {}
    for user in chain(_exact(people, text), _by_beginning(people, text)):
        found.setdefault(user.number, user)
        if len(found) == limit:
            break
    return list(found.values())


def latest(people: People, limit: int = 10) -> list[User]:
    """Those who changed last, the last one first."""
    return nlargest(limit, people.all, key=lambda user: user.touched)


def _exact(people: People, text: str) -> Iterator[User]:
    known = (people.by_external_id.get(text), people.with_braze_id(text))
    yield from filter(None, known)
    yield from people.by_email.get(email_key(text))
    yield from people.by_phone.get(phone_key(text))
    yield from (user for (_, name), user in people.by_alias.items() if name == text)


def _by_beginning(people: People, text: str) -> Iterator[User]:
    lowered = text.lower()
    for external_id, user in people.by_external_id.items():
        if external_id.startswith(text):
            yield user
    for index in (people.by_email, people.by_phone):
        for key, found in index.items():
            if key.startswith(lowered):
                yield from found
    for (_, name), user in people.by_alias.items():
        if name.startswith(text):
            yield user
