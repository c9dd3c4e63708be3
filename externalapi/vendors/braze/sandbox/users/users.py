"""The people of the sandbox and how an identifier finds them.

Pure. A benchmark makes a million people, so a person holds little more than what was
sent: containers come into being with their first entry.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import NamedTuple

from externalapi.vendors.braze.facts import contract
from externalapi.vendors.braze.sandbox.rules.verdicts import JsonObject

STANDARD = frozenset(contract.STANDARD_ATTRIBUTES)
_NO_ALIASES: Mapping[str, str] = MappingProxyType({})
_BRAZE_ID = re.compile(r"[0-9a-f]{24}")
_NOT_PHONE = re.compile(r"[\s().-]")
_PHONE = re.compile(r"\+?[1-9]\d{6,14}")


class Event(NamedTuple):
    name: str
    time: datetime
    properties: JsonObject | None
    app_id: object


class Purchase(NamedTuple):
    product_id: str
    time: datetime
    currency: str
    price: float
    quantity: int
    properties: JsonObject | None


class Send(NamedTuple):
    """A message, or the trigger of a campaign or Canvas, that reached a person.

    `channels` says of each channel of a message why nothing went out, or nothing.
    """

    kind: str
    id: str
    name: str
    time: datetime
    properties: JsonObject
    channels: dict[str, str]
    dispatch_id: str


class User:
    """One person. `values` holds standard and custom attributes, as names differ."""

    __slots__ = (
        "aliases",
        "created_at",
        "deprecated_ids",
        "events",
        "external_id",
        "number",
        "purchases",
        "sends",
        "touched",
        "values",
    )

    def __init__(
        self, number: int, created_at: datetime, external_id: str | None = None
    ) -> None:
        self.number = number
        self.created_at = created_at
        self.external_id = external_id
        self.values: JsonObject = {}
        self.deprecated_ids: tuple[str, ...] = ()  # they still find the person
        self.aliases = _NO_ALIASES  # a label has one name for each person
        self.events: list[Event] | tuple[()] = ()
        self.purchases: list[Purchase] | tuple[()] = ()
        self.sends: list[Send] | tuple[()] = ()
        self.touched = 0  # grows with every change of anybody

    @property
    def braze_id(self) -> str:
        """Counted, not random: a replayed journal gives everybody the same id again."""
        return f"{int(self.created_at.timestamp()):08x}{self.number:016x}"

    @property
    def standard(self) -> JsonObject:
        return {name: one for name, one in self.values.items() if name in STANDARD}

    @property
    def custom(self) -> JsonObject:
        return {name: one for name, one in self.values.items() if name not in STANDARD}

    @property
    def email(self) -> str | None:
        value = self.values.get("email")
        return value if isinstance(value, str) else None

    @property
    def phone(self) -> str | None:
        value = self.values.get("phone")
        return value if isinstance(value, str) else None

    def add_event(self, event: Event) -> None:
        if isinstance(self.events, list):
            self.events.append(event)
        else:
            self.events = [event]

    def add_purchase(self, purchase: Purchase) -> None:
        if isinstance(self.purchases, list):
            self.purchases.append(purchase)
        else:
            self.purchases = [purchase]

    def add_send(self, send: Send) -> None:
        if isinstance(self.sends, list):
            self.sends.append(send)
        else:
            self.sends = [send]


class SharedIndex:
    """Who has an email address or a phone number; several people may share one."""

    def __init__(self) -> None:
        # Nearly always it is one person, and a list for each would be a million lists.
        self._people: dict[str, User | list[User]] = {}

    def get(self, key: str | None) -> list[User]:
        found = self._people.get(key) if key is not None else None
        if found is None:
            return []
        return found if isinstance(found, list) else [found]

    def move(self, old: str | None, new: str | None, user: User) -> None:
        if old == new:
            return
        if old is not None:
            self._set(old, [one for one in self.get(old) if one is not user])
        if new is not None:
            self._set(new, [*self.get(new), user])

    def items(self) -> Iterator[tuple[str, list[User]]]:
        return ((key, self.get(key)) for key in self._people)

    def _set(self, key: str, people: list[User]) -> None:
        if not people:
            self._people.pop(key, None)
        else:
            self._people[key] = people[0] if len(people) == 1 else people


class People:
    def __init__(self) -> None:
        self.all: list[User] = []  # in the order of their numbers
        self.by_external_id: dict[str, User] = {}
        self.by_alias: dict[tuple[str, str], User] = {}  # label and name
        self.by_email = SharedIndex()
        self.by_phone = SharedIndex()
        self._made = 0

    def created(self, at: datetime, external_id: str | None = None) -> User:
        self._made += 1
        user = User(self._made, at, external_id)
        self.all.append(user)
        if external_id is not None:
            self.by_external_id[external_id] = user
        return user

    def with_alias(self, label: str, name: str, at: datetime) -> User:
        user = self.created(at)
        self.set_alias(user, label, name)
        return user

    def set_alias(self, user: User, label: str, name: str) -> None:
        """Give a name for the label; the one the person had for it is gone."""
        old = user.aliases.get(label)
        if old is not None:
            del self.by_alias[label, old]
        user.aliases = {**user.aliases, label: name}
        self.by_alias[label, name] = user

    def identify(self, user: User, external_id: str) -> None:
        """Give an external ID to a person who has none, or a new one to one who has."""
        if user.external_id is not None:
            user.deprecated_ids += (user.external_id,)
        user.external_id = external_id
        self.by_external_id[external_id] = user

    def without_deprecated_id(self, external_id: str) -> None:
        user = self.by_external_id.pop(external_id)
        user.deprecated_ids = tuple(
            one for one in user.deprecated_ids if one != external_id
        )

    def remove(self, user: User) -> None:
        del self.all[self._position(user.number)]
        for external_id in (user.external_id, *user.deprecated_ids):
            if external_id is not None:
                del self.by_external_id[external_id]
        for alias in user.aliases.items():
            del self.by_alias[alias]
        self.by_email.move(email_key(user.email), None, user)
        self.by_phone.move(phone_key(user.phone), None, user)

    def find(self, item: JsonObject) -> User | None:
        """Whom the object names (post_user_track, "Identifier resolution")."""
        external_id, alias = item.get("external_id"), item.get("user_alias")
        if external_id is not None and external_id != "":
            return self.by_external_id.get(str(external_id))
        if isinstance(alias, dict):
            label, name = alias.get("alias_label"), alias.get("alias_name")
            return self.by_alias.get((str(label), str(name)))
        if item.get("braze_id") is not None:
            return self.with_braze_id(str(item["braze_id"]))
        email = email_key(item.get("email"))
        if email is not None:
            return _best(self.by_email.get(email))
        return _best(self.by_phone.get(phone_key(item.get("phone"))))

    def sharing(self, kind: str, value: str) -> list[User]:
        """Everybody with this `email` or `phone`, or the one with this external ID."""
        if kind == "email":
            return self.by_email.get(email_key(value))
        if kind == "phone":
            return self.by_phone.get(phone_key(value))
        user = self.by_external_id.get(value)
        return [] if user is None else [user]

    def with_braze_id(self, text: str) -> User | None:
        if not _BRAZE_ID.fullmatch(text):
            return None
        position = self._position(int(text[8:], 16))
        if position == len(self.all):
            return None
        user = self.all[position]
        return user if user.braze_id == text else None

    def _position(self, number: int) -> int:
        return bisect_left(self.all, number, key=lambda user: user.number)


def email_key(email: object) -> str | None:
    return email.lower() if isinstance(email, str) and email else None


def phone_key(phone: object) -> str | None:
    """The number without spaces and dashes; None when it is no valid number."""
    if not isinstance(phone, str):
        return None
    digits = _NOT_PHONE.sub("", phone)
    return digits if _PHONE.fullmatch(digits) else None


def _best(people: list[User]) -> User | None:
    """Of several with one address: with an external id first, then the latest."""
    if len(people) < 2:
        return people[0] if people else None
    return max(people, key=lambda user: (user.external_id is not None, user.touched))
