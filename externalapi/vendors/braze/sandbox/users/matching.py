"""Which one of several people with the same address or number a request means.

post_user_identify, post_users_merge and post_user_delete, "prioritization": each wish
narrows the people down, and if more than one is left, none is meant.
"""

from collections.abc import Callable, Mapping, Sequence

from externalapi.vendors.braze.facts import refusals
from externalapi.vendors.braze.facts.contract import ObjectError
from externalapi.vendors.braze.sandbox.rules.verdicts import JsonObject
from externalapi.vendors.braze.sandbox.users.users import (
    People,
    User,
    email_key,
    phone_key,
)


def prioritization_error(value: object, known: frozenset[str]) -> ObjectError | None:
    """What is wrong with a list of wishes: it has one at least, and none twice over."""
    if not isinstance(value, list) or not value:
        return refusals.PRIORITIZATION_NOT_VALID
    if any(not isinstance(wish, str) or wish not in known for wish in value):
        return refusals.PRIORITIZATION_NOT_VALID
    for both, error in refusals.PRIORITIZATION_OF_BOTH.items():
        if set(both) <= set(value):
            return error
    return None


def meant(people: People, identifier: JsonObject) -> User | None:
    """Whom an identifier means that may be an address with a prioritization."""
    if "email" in identifier:
        found = people.by_email.get(email_key(identifier["email"]))
    elif "phone" in identifier:
        found = people.by_phone.get(phone_key(identifier["phone"]))
    else:
        return people.find(identifier)
    order = identifier.get("prioritization")
    return chosen(found, order if isinstance(order, list) else [])


def chosen(people: list[User], order: Sequence[str]) -> User | None:
    for wish in order:
        people = _NARROWED[wish](people)
    return people[0] if len(people) == 1 else None


def _identified(people: list[User]) -> list[User]:
    return [user for user in people if user.external_id is not None]


def _unidentified(people: list[User]) -> list[User]:
    return [user for user in people if user.external_id is None]


def _latest(people: list[User]) -> list[User]:
    return sorted(people, key=lambda user: user.touched)[-1:]


def _earliest(people: list[User]) -> list[User]:
    return sorted(people, key=lambda user: user.touched)[:1]


_NARROWED: Mapping[str, Callable[[list[User]], list[User]]] = {
    "identified": _identified,
    "unidentified": _unidentified,
    "most_recently_updated": _latest,
    "least_recently_updated": _earliest,
}
