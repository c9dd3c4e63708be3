"""What was ever said of whom: as much of it as a chunk of messages has to do with.

A fact is a row of Identifier: that something was said of a part. E-mail and phone of a
row that is one with nobody need none: its columns say it.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db import connection

from segments.identity.calls import (
    CONTACTS,
    EMAIL,
    EXTERNAL_ID,
    PHONE,
    Key,
    Rules,
    microseconds,
)
from segments.identity.parts import Part
from segments.models.copying import number_array, text_array


@dataclass(slots=True, kw_only=True)
class Fact:
    """A row of Identifier; `id` 0: not written. `stamp`: when it was said, and by what."""

    id: int = 0
    is_own: bool = False
    is_void: bool = False
    stamp: tuple[int, str] | None = None
    is_new: bool = False
    is_changed: bool = False


class Facts:
    """Facts by identifier, and by the number of the part that it was said of."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        # In the order in which they were said.
        self.touched: dict[Key, None] = {}
        self.reopened: set[int] = set()
        self.preferred = 0
        # Root by number of a part, as the database has it.
        self.roots: dict[int, int] = {}
        # External ID by number of a known part.
        self.known: dict[int, str] = {}
        self.own_of: dict[int, tuple[Key, Fact]] = {}
        self._said: dict[Key, dict[int, Fact]] = defaultdict(dict)

    def load(self, keys: Iterable[Key]) -> None:
        """Read of whom these were said."""
        by_kind: dict[str, list[str]] = defaultdict(list)
        for kind, value in keys:
            by_kind[kind].append(value)
        selects: list[str] = []
        params: list[Any] = []
        for kind, values in by_kind.items():
            selects.append(OF_VALUES)
            params += [kind, text_array(values)]
            if kind in CONTACTS:
                selects.append(OF_COLUMN.format(kind=kind))
                params += [text_array(values), self.rules.most + 1]
        self._fetch(" UNION ALL ".join(selects), params)

    def widen(self, numbers: Collection[int], *, known: bool) -> None:
        """Read what was said of these parts, of whom else, what of them, and so on.

        Known people are where it ends; `known`: just the external IDs of known people.
        """
        start = [number for number in numbers if number > 0]
        if start:
            statement = WIDEN_KNOWN if known else WIDEN
            params = {"start": number_array(start), "most": self.rules.most + 1}
            self._fetch(statement, params)

    def of(self, key: Key) -> Mapping[int, Fact]:
        return self._said.get(key, {})

    def keys_of(self) -> dict[int, set[Key]]:
        """By number: what was said of it, of all that is read, and is not void."""
        found: dict[int, set[Key]] = defaultdict(set)
        for key, people in self._said.items():
            for number, fact in people.items():
                if not fact.is_void:
                    found[number].add(key)
        return found

    def speaks_of(self, key: Key) -> Collection[int]:
        """Whom it joins: nobody, where it was said of too many."""
        numbers = [n for n, fact in self.of(key).items() if not fact.is_void]
        return numbers if len(numbers) <= self.rules.most else ()

    def owners(self, keys: Iterable[Key]) -> dict[Key, int]:
        """Whose own they are, as the database has it."""
        found = {}
        for key in keys:
            for number, fact in self.of(key).items():
                if fact.is_own:
                    found[key] = number
        return found

    def name(self, parts: Mapping[int, Part]) -> None:
        """Let parts that were read know what they are known by."""
        for number, (key, fact) in self.own_of.items():
            if part := parts.get(number):
                part.key, part.own_id = key, fact.id

    def introduce(self, part: Part) -> None:
        """A part was read, or made."""
        self.roots.setdefault(part.number, part.root.number)
        if part.external_id is not None:
            self.known[part.number] = part.external_id

    def say(self, part: Part, key: Key, stamp: tuple[int, str]) -> None:
        """It was said of the part; of an alias the newest time counts."""
        fact = self.of(key).get(part.number)
        if fact is None:
            self._add(key, part.number, Fact(stamp=stamp, is_new=True))
            self.touched[key] = None
        elif key[0] == EXTERNAL_ID and stamp > (fact.stamp or (0, "")):
            fact.stamp, fact.is_changed = stamp, True
            self.touched[key] = None

    def own(self, part: Part, stamp: tuple[int, str] | None = None) -> Fact:
        """That the part's key is its own: such a fact is made where there is none."""
        assert part.key
        fact = self.of(part.key).get(part.number)
        if fact is None or not fact.is_own:
            self.touched[part.key] = None
            fact = Fact(stamp=stamp, is_own=True, is_new=True)
            self._add(part.key, part.number, fact)
        return fact

    def new(self) -> list[tuple[Key, int, Fact]]:
        return [
            (key, number, fact)
            for key in self.touched
            for number, fact in self._said[key].items()
            if fact.is_new or fact.is_changed
        ]

    def _add(self, key: Key, number: int, fact: Fact) -> None:
        self._said[key][number] = fact
        if fact.is_own:
            self.own_of[number] = key, fact

    def _fetch(self, statement: str, params: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute(statement, params)
            rows = cursor.fetchall()
        for kind, value, number, id_, is_own, is_void, time, message_id, *who in rows:
            external_id, root = who
            self.roots.setdefault(number, root or number)
            if external_id is not None:
                self.known[number] = external_id
            # The row of a fact counts, where columns say the same.
            before = self._said[kind, value].get(number)
            if before is None or (id_ and not before.id and not before.is_new):
                stamp = None if time is None else (int(time), message_id)
                fact = Fact(id=id_, is_own=is_own, is_void=is_void, stamp=stamp)
                self._add((kind, value), number, fact)


def stamp_of(time: str, message_id: str) -> tuple[int, str]:
    return microseconds(time), message_id


# Of a part too; NULL where it is not known.
_EXTERNAL_ID = """coalesce(p.external_id,
    CASE WHEN p.own -> 'key' ->> 0 = 'external_id' THEN p.own -> 'key' ->> 1 END)"""
_FACT = f"""
    i.kind, i.value, i.profile_id, i.id, i.is_own, i.is_void,
    extract(epoch FROM i.time) * 1000000, i.message_id, {_EXTERNAL_ID}, p.merged_into_id
"""
OF_VALUES = f"""
SELECT {_FACT}
FROM segments_identifier i JOIN segments_profile p ON p.id = i.profile_id
WHERE i.kind = %s AND i.value = ANY(%s::text[])
"""
_COLUMN = """
    '{kind}', p.{kind}, p.id, 0::bigint, false, false, NULL::numeric, '',
    p.external_id, p.merged_into_id
"""
# Of one value as many as tell that there are too many.
OF_COLUMN = f"""
SELECT p.* FROM unnest(%s::text[]) v (value) CROSS JOIN LATERAL (
    SELECT {_COLUMN} FROM segments_profile p
    WHERE p.{{kind}} = v.value AND p.{{kind}} <> '' AND p.own IS NULL LIMIT %s
) p
"""


def _said_of(number: str) -> str:
    columns = "".join(
        f"""
        UNION ALL SELECT '{kind}', p.{kind} FROM segments_profile p
        WHERE p.id = {number} AND p.{kind} <> '' AND p.own IS NULL"""
        for kind in (EMAIL, PHONE)
    )
    return f"""
        SELECT i.kind, i.value FROM segments_identifier i
        WHERE i.profile_id = {number} AND i.kind <> 'external_id' AND NOT i.is_void
        {columns}
    """


_FACTS_OF = f"""
    SELECT {_FACT}
    FROM segments_identifier i JOIN segments_profile p ON p.id = i.profile_id
    WHERE i.kind = k.kind AND i.value = k.value
""" + "".join(
    f"""
    UNION ALL (
        SELECT {_COLUMN.format(kind=kind)} FROM segments_profile p
        WHERE k.kind = '{kind}' AND p.{kind} = k.value AND p.{kind} <> ''
          AND p.own IS NULL LIMIT %(most)s
    )"""
    for kind in (EMAIL, PHONE)
)
_NAMED = (
    "(kind, value, id, fact_id, is_own, is_void, time, message_id, external_id, root)"
)
WIDEN = f"""
WITH RECURSIVE zone (id) AS (
    SELECT unnest(%(start)s::bigint[])
    UNION
    SELECT f.id FROM zone z
    CROSS JOIN LATERAL ({_said_of("z.id")}) k (kind, value)
    CROSS JOIN LATERAL ({_FACTS_OF}) f {_NAMED}
    WHERE f.external_id IS NULL AND NOT f.is_void
), keys (kind, value) AS (
    SELECT DISTINCT k.kind, k.value FROM zone z
    CROSS JOIN LATERAL ({_said_of("z.id")}) k (kind, value)
)
SELECT f.* FROM keys k CROSS JOIN LATERAL ({_FACTS_OF}) f
"""
WIDEN_KNOWN = f"""
WITH RECURSIVE zone (id) AS (
    SELECT unnest(%(start)s::bigint[])
    UNION
    SELECT other.profile_id FROM zone z
    JOIN segments_identifier one ON one.profile_id = z.id AND one.kind = 'external_id'
    JOIN segments_identifier other
        ON other.kind = one.kind AND other.value = one.value
)
SELECT {_FACT} FROM segments_identifier i JOIN segments_profile p ON p.id = i.profile_id
WHERE i.kind = 'external_id' AND i.value IN (
    SELECT value FROM segments_identifier
    WHERE kind = 'external_id' AND profile_id IN (SELECT id FROM zone)
)
"""
