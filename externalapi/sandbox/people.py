"""The people of the sandbox and how an identifier finds them.

Pure. A benchmark makes a million people, so a person holds little more than what was
sent: containers come into being with their first entry.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import NamedTuple

from externalapi.braze import contract
from externalapi.sandbox.judge import JsonObject

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


class User:
    """One person. `values` holds standard and custom attributes, as names differ."""

    __slots__ = (
        "aliases",
        "created_at",
        "events",
        "external_id",
        "number",
        "purchases",
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
        self.aliases = _NO_ALIASES  # a label has one name for each person
        self.events: list[Event] | tuple[()] = ()
        self.purchases: list[Purchase] | tuple[()] = ()
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
        self.all: list[User] = []
        self.by_external_id: dict[str, User] = {}
        self.by_alias: dict[tuple[str, str], User] = {}  # label and name
        self.by_email = SharedIndex()
        self.by_phone = SharedIndex()

    def created(self, at: datetime, external_id: str | None = None) -> User:
        user = User(len(self.all) + 1, at, external_id)
        self.all.append(user)
        if external_id is not None:
            self.by_external_id[external_id] = user
        return user

    def with_alias(self, label: str, name: str, at: datetime) -> User:
        user = self.created(at)
        user.aliases = {label: name}
        self.by_alias[label, name] = user
        return user

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

    def with_braze_id(self, text: str) -> User | None:
        if not _BRAZE_ID.fullmatch(text):
            return None
        position = int(text[8:], 16) - 1
        if not 0 <= position < len(self.all):
            return None
        user = self.all[position]
        return user if user.braze_id == text else None


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
