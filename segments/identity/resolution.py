"""Who a message is about: external IDs, anonymous IDs, and the two becoming one.

A message with a user ID belongs to the person with that external ID. One with an
anonymous ID alone belongs to the person who has that identifier. One with both links
them: where the anonymous person is nobody known yet, they become (or are merged into)
the known one, and their events move along. An anonymous ID that already belongs to a
known person stays theirs: two people may share a device.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

from django.db import connection

from lemnisk_braze.lib.logs import get_logger
from segments.identity.contact import as_email, as_phone
from segments.models import Identifier, stored

logger = get_logger(__name__)

ANONYMOUS_ID = Identifier.Kind.ANONYMOUS_ID.value
# What one person may have, in all messages together.
MAX_ATTRIBUTES = 1_000
MAX_BYTES = 256 << 10


class TooMuchError(Exception):
    """A person would have more attributes than one may have."""


@dataclass(slots=True, kw_only=True, eq=False)
class Person:
    """A profile in memory while a chunk of messages is applied; `id` 0 is a new one.

    `size`: the attributes have at most so many bytes.
    """

    id: int = 0
    external_id: str | None = None
    email: str = ""
    phone: str = ""
    attributes: dict[str, Any] = field(default_factory=dict)
    size: int = 0
    is_changed: bool = False
    merged_into: "Person | None" = None

    def final(self) -> "Person":
        """The person whom this one has become."""
        return self.merged_into or self

    def learn(self, traits: dict[str, Any], size: int) -> None:
        """Take in traits: null removes one, e-mail and phone have their own places.

        `size`: the traits have at most so many bytes. Raises TooMuchError, having taken
        in nothing.
        """
        self._make_room(traits, size)
        for name, value in traits.items():
            if name == "email":
                self._set("email", as_email(value or ""))
            elif name == "phone":
                self._set("phone", as_phone(value or ""))
            elif value is None:
                self.is_changed |= self.attributes.pop(name, None) is not None
            elif not _is_same(self.attributes.get(name), value):
                self.attributes[name] = value
                self.is_changed = True

    def absorb(self, other: "Person") -> None:
        """Become one with an anonymous person; what is known already stays."""
        self._set("email", self.email or other.email)
        self._set("phone", self.phone or other.phone)
        other.email = other.phone = ""
        news = other.attributes.keys() - self.attributes.keys()
        try:
            self.learn({name: other.attributes[name] for name in news}, other.size)
            other.attributes, other.size = {}, 0
        except TooMuchError as e:
            # They are one all the same: what one does is worth more than what is left.
            logger.warning("person.too_much", profile_id=self.id, because=e)
        other.is_changed, other.merged_into = True, self

    def _make_room(self, traits: dict[str, Any], size: int) -> None:
        most = len(self.attributes) + len(traits)
        if most <= MAX_ATTRIBUTES and self.size + size <= MAX_BYTES:
            self.size += size
            return
        all_of_them = self.attributes | traits
        kept = {
            name: value
            for name, value in all_of_them.items()
            if value is not None and name not in ("email", "phone")
        }
        new_size = len(stored.write(kept).encode())
        # Who has too much already may change it, and have less.
        if len(kept) > max(MAX_ATTRIBUTES, len(self.attributes)):
            raise TooMuchError(
                f"A person has at most {MAX_ATTRIBUTES:,} attributes; "
                f"with these it would be {len(kept):,}."
            )
        if new_size > MAX_BYTES and new_size > len(
            stored.write(self.attributes).encode()
        ):
            raise TooMuchError(
                f"A person’s attributes have at most {MAX_BYTES >> 10} KB; "
                f"with these it would be {new_size >> 10:,} KB."
            )
        self.size = new_size

    def _set(self, name: str, value: str) -> None:
        if getattr(self, name) != value:
            setattr(self, name, value)
            self.is_changed = True


class People:
    """The people whom a chunk of messages is about, read once and written once."""

    def __init__(
        self, external_ids: Collection[str], anonymous_ids: Collection[str]
    ) -> None:
        self._by_external_id: dict[str, Person] = {}
        self._by_anonymous_id: dict[str, Person] = {}
        self._new_identifiers: dict[str, Person] = {}
        self._all: list[Person] = []
        self._load(list(external_ids), list(anonymous_ids))

    def __iter__(self) -> Iterator[Person]:
        return iter(self._all)

    def resolve(self, external_id: str | None, anonymous_id: str | None) -> Person:
        """Find, make or link the person whom the ids of one message name."""
        if not external_id:
            return self._anonymous(anonymous_id or "")
        known = self._by_external_id.get(external_id)
        other = self._named(anonymous_id) if anonymous_id else None
        if other is not None and other.external_id is None:
            return self._link(other, known, external_id)
        if known is None:
            known = self._new(external_id=external_id)
            self._by_external_id[external_id] = known
        if anonymous_id and other is None:
            self._name(anonymous_id, known)
        return known

    def save(self) -> None:
        """Write people, identifiers and merges; afterwards every person has an id."""
        with connection.cursor() as cursor:
            new = [p for p in self._all if not p.id and not p.merged_into]
            changed = [p for p in self._all if p.id and p.is_changed]
            cursor.execute(NEXT_IDS, [len(new)])
            for person, (id_,) in zip(new, cursor.fetchall(), strict=True):
                person.id = id_
            if new:
                cursor.execute(INSERT_PEOPLE, _columns(new))
            if changed:
                merged = [p.merged_into.id if p.merged_into else None for p in changed]
                cursor.execute(UPDATE_PEOPLE, [*_columns(changed), merged])
        self._save_names()

    def _save_names(self) -> None:
        names = list(self._new_identifiers)
        owners = [self._new_identifiers[n].final().id for n in names]
        gone = [p for p in self._all if p.id and p.merged_into]
        pairs = [[p.id for p in gone], [p.final().id for p in gone]]
        with connection.cursor() as cursor:
            if names:
                cursor.execute(INSERT_IDENTIFIERS, [ANONYMOUS_ID, names, owners])
            if gone:
                cursor.execute(MOVE_IDENTIFIERS, pairs)
                cursor.execute(MOVE_EVENTS, pairs)

    def _anonymous(self, anonymous_id: str) -> Person:
        person = self._named(anonymous_id)
        if person is None:
            person = self._new()
            self._name(anonymous_id, person)
        return person

    def _named(self, anonymous_id: str) -> Person | None:
        person = self._by_anonymous_id.get(anonymous_id)
        return person and person.final()

    def _link(self, other: Person, known: Person | None, external_id: str) -> Person:
        """`other` is anonymous: it becomes the known person, or is merged into them."""
        if known is None:
            other.external_id, other.is_changed = external_id, True
            self._by_external_id[external_id] = other
            return other
        known.absorb(other)
        return known

    def _new(self, **fields: Any) -> Person:
        person = Person(is_changed=True, **fields)
        self._all.append(person)
        return person

    def _name(self, anonymous_id: str, person: Person) -> None:
        self._by_anonymous_id[anonymous_id] = person
        self._new_identifiers[anonymous_id] = person

    def _load(self, external_ids: list[str], anonymous_ids: list[str]) -> None:
        by_id: dict[int, Person] = {}
        with connection.cursor() as cursor:
            cursor.execute(SELECT_PEOPLE, [external_ids, ANONYMOUS_ID, anonymous_ids])
            for id_, external_id, email, phone, attributes in cursor.fetchall():
                by_id[id_] = Person(
                    id=id_,
                    external_id=external_id,
                    email=email,
                    phone=phone,
                    attributes=stored.read(attributes),
                    size=len(attributes.encode()),
                )
            cursor.execute(SELECT_IDENTIFIERS, [ANONYMOUS_ID, anonymous_ids])
            names = cursor.fetchall()
        self._all = list(by_id.values())
        self._by_external_id = {p.external_id: p for p in self._all if p.external_id}
        self._by_anonymous_id = {name: by_id[id_] for name, id_ in names}


def _is_same(old: object, new: object) -> bool:
    """Equality of JSON values: Python's 1 == True is not one of them."""
    return old == new and stored.write(old) == stored.write(new)


def _columns(people: list[Person]) -> list[list[Any]]:
    return [
        [p.id for p in people],
        [p.external_id for p in people],
        [p.email for p in people],
        [p.phone for p in people],
        [stored.write(p.attributes) for p in people],
    ]


# Locked in order of id, so that two writers of the same people never wait in a circle.
SELECT_PEOPLE = """
SELECT id, external_id, email, phone, attributes::text FROM segments_profile
WHERE id IN (
    SELECT id FROM segments_profile WHERE external_id = ANY(%s::text[])
    UNION
    SELECT profile_id FROM segments_identifier
    WHERE kind = %s AND value = ANY(%s::text[])
)
ORDER BY id FOR NO KEY UPDATE
"""
SELECT_IDENTIFIERS = """
SELECT value, profile_id FROM segments_identifier
WHERE kind = %s AND value = ANY(%s::text[])
"""
NEXT_IDS = """
SELECT nextval(pg_get_serial_sequence('segments_profile', 'id'))
FROM generate_series(1, %s)
"""
INSERT_PEOPLE = """
INSERT INTO segments_profile (id, external_id, email, phone, attributes)
SELECT id, external_id, email, phone, attributes::jsonb
FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::text[], %s::text[])
AS new (id, external_id, email, phone, attributes)
"""
UPDATE_PEOPLE = """
UPDATE segments_profile p
SET external_id = n.external_id, email = n.email, phone = n.phone,
    attributes = n.attributes::jsonb, merged_into_id = n.merged, updated_at = now()
FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::text[], %s::text[], %s::bigint[])
AS n (id, external_id, email, phone, attributes, merged)
WHERE p.id = n.id
"""
INSERT_IDENTIFIERS = """
INSERT INTO segments_identifier (kind, value, profile_id)
SELECT %s, value, profile_id FROM unnest(%s::text[], %s::bigint[])
AS new (value, profile_id)
"""
MOVE_IDENTIFIERS = """
UPDATE segments_identifier i SET profile_id = moved.new
FROM unnest(%s::bigint[], %s::bigint[]) AS moved (old, new)
WHERE i.profile_id = moved.old
"""
MOVE_EVENTS = """
UPDATE segments_event e SET profile_id = moved.new
FROM unnest(%s::bigint[], %s::bigint[]) AS moved (old, new)
WHERE e.profile_id = moved.old
"""
