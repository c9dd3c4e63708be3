"""The rows of people: read and locked, and written in sets."""

from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from django.db import connection

from segments.identity.calls import CONTACTS, EXTERNAL_ID, Key
from segments.identity.facts import Fact, Facts
from segments.identity.parts import Part, external_id_of, identity
from segments.models import copying, stored
from segments.models.copying import number_array, text_array, truth_array

if TYPE_CHECKING:
    from segments.identity.moves import Move


def load(
    parts: dict[int, Part],
    external_ids: Collection[str],
    numbers: Iterable[int],
    all_of: Iterable[int] = (),
) -> None:
    """Read people by external ID and by id; of `all_of` all who are part of them.

    Who was read already stays as they are. Whom somebody is part of must be among them.
    """
    asked: list[tuple[str, str]] = []
    if external_ids:
        asked.append((BY_EXTERNAL_ID, text_array(external_ids)))
    if ids := [n for n in numbers if n > 0 and n not in parts]:
        asked.append((BY_ID, number_array(ids)))
    if whole := [n for n in all_of if n > 0]:
        asked.append((BY_ROOT, number_array(whole)))
    if not asked:
        return
    statement = SELECT.format(" OR ".join(condition for condition, _ in asked))
    with connection.cursor() as cursor:
        cursor.execute(statement, [values for _, values in asked])
        found = [row for row in cursor.fetchall() if row[0] not in parts]
    merged: list[tuple[Part, int]] = []
    for id_, external_id, *row, merged_into in found:
        part = parts[id_] = Part(number=id_, id=id_, row=tuple(row))
        if known := identity(row[-1]):
            part.key, part.own_id = known
        if external_id is not None:
            part.key = EXTERNAL_ID, external_id
        part.external_id = external_id_of(part.key)
        if merged_into is not None:
            merged.append((part, merged_into))
    for part, root in merged:
        part.root = parts[root]


def count_identifiers(numbers: Iterable[int]) -> dict[int, int]:
    """How many identifiers these people have, by id."""
    ids = [number for number in numbers if number > 0]
    if not ids:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(COUNT, [number_array(ids)])
        return dict(cursor.fetchall())


def count_parts(roots: Iterable[int], besides: Iterable[int]) -> dict[int, int]:
    """How many parts these people have, by id, besides some."""
    with connection.cursor() as cursor:
        cursor.execute(COUNT_PARTS, [number_array(roots), number_array(besides)])
        return dict(cursor.fetchall())


def save(parts: Sequence[Part], facts: Facts, moves: "Sequence[Move]") -> None:
    """Write people, what was said of them, and where their events have gone."""
    new = [part for part in parts if part.number < 0]
    facts_of_parts = _facts(parts, facts)
    owned = [(n, fact) for n, (_, fact) in facts.own_of.items() if fact.is_new]
    by_number = {part.number: part for part in parts}
    with connection.cursor() as cursor:
        if new or owned:
            cursor.execute(NEXT_IDS, [len(new), len(owned)])
            ids = cursor.fetchone()
            for part, id_ in zip(new, ids[0] or (), strict=True):
                part.id = id_
            for (number, fact), id_ in zip(owned, ids[1] or (), strict=True):
                fact.id = by_number[number].own_id = id_
        _swap_rows(new, cursor)
        inserted = [p for p in parts if p.id > 0 and _is_inserted(p)]
        updated = [p for p in parts if not _is_inserted(p) and _is_written(p)]
        if inserted:
            copying.copy("segments_profile", COLUMNS, _lines(inserted))
        update(updated)
        if facts_of_parts:
            _save_facts(facts_of_parts, by_number, cursor)
        changed = [
            (key, by_number[number].id, fact)
            for key, number, fact in facts.new()
            if fact.is_changed and not fact.is_new
        ]
        if changed:
            cursor.execute(RENEW_FACTS, _fact_columns(changed))
        _save_moves(moves, cursor)


def update(parts: Sequence[Part]) -> None:
    """Write rows that were there."""
    if parts:
        with connection.cursor() as cursor:
            cursor.execute(UPDATE, _columns(parts))


def add_facts(facts: Sequence[tuple[Key, int, Fact]]) -> None:
    """Write that identifiers, nobody's own, were said of people by id, once each."""
    if facts:
        with connection.cursor() as cursor:
            cursor.execute(INSERT_FACTS, _fact_columns(facts))


def add_own_facts(facts: Sequence[tuple[Key, int, Fact]]) -> None:
    """Write that identifiers are people's own; the facts have ids."""
    if facts:
        ids = number_array(fact.id for _, _, fact in facts)
        with connection.cursor() as cursor:
            cursor.execute(INSERT_OWN_FACTS, [ids, *_fact_columns(facts)])


def _is_inserted(part: Part) -> bool:
    """Whether its row is not there yet: it is new, or gives its row to a new one."""
    if part.number < 0:
        return part.row_of is None
    return part.gives_row_to is not None


def _is_written(part: Part) -> bool:
    return part.is_dirty or part.is_changed


def _swap_rows(new: Iterable[Part], cursor: Any) -> None:
    pairs = [(part, part.row_of) for part in new if part.row_of is not None]
    for part, other in pairs:
        part.id, other.id = other.id, part.id
    if pairs:
        old, now = (
            number_array(p.id for p, _ in pairs),
            number_array(o.id for _, o in pairs),
        )
        cursor.execute(HAND_OVER, [old, now])


def _facts(parts: Iterable[Part], facts: Facts) -> list[tuple[Key, int, Fact]]:
    """The facts to be written: of e-mail and phone those that no column says."""
    found: dict[tuple[Key, int], Fact] = {}
    by_number = {part.number: part for part in parts}
    for key, number, fact in facts.new():
        if fact.is_new and (
            fact.is_own or fact.is_void or not _is_said_by_row(by_number[number], key)
        ):
            found[key, number] = fact
    for part in by_number.values():
        if part.is_dirty or part.is_changed:
            for key in part.contacts():
                before = facts.of(key).get(part.number)
                is_there = before is not None and before.id
                if not is_there and not _is_said_by_row(part, key):
                    found.setdefault((key, part.number), Fact())
    return [(key, number, fact) for (key, number), fact in found.items()]


def _is_said_by_row(part: Part, key: Key) -> bool:
    kind, value = key
    is_alone = part.root is part and part.whole is None
    return kind in CONTACTS and is_alone and part.own.data.get(kind) == value


def _save_facts(
    facts: Sequence[tuple[Key, int, Fact]], parts: dict[int, Part], cursor: Any
) -> None:
    rows = [(key, parts[number].id, fact) for key, number, fact in facts]
    with_id = [row for row in rows if row[2].id]
    others = [row for row in rows if not row[2].id]
    add_own_facts(with_id)
    add_facts(others)


def _fact_columns(rows: Sequence[tuple[Key, int, Fact]]) -> list[str]:
    """A column a parameter, as an array's literal."""
    stamps = [fact.stamp or (None, "") for _, _, fact in rows]
    return [
        text_array(key[0] for key, _, _ in rows),
        text_array(key[1] for key, _, _ in rows),
        number_array(id_ for _, id_, _ in rows),
        truth_array(fact.is_void for _, _, fact in rows),
        number_array(time for time, _ in stamps),
        text_array(message_id for _, message_id in stamps),
    ]


def _save_moves(moves: "Sequence[Move]", cursor: Any) -> None:
    there = [one for one in moves if one.part.number > 0]
    if there:
        cursor.execute(BY_HASH)
        cursor.execute(
            MOVE_EVENTS,
            [
                number_array(one.before.number for one in there),
                number_array(one.part.own_id or None for one in there),
                number_array(one.part.number for one in there),
                number_array(one.after.id for one in there),
                number_array({one.before.number for one in there}),
            ],
        )
        cursor.execute(BY_ANY)
    lines = [line for one in moves for line in one.log()]
    if lines:
        columns = [copying.fields([*map(str, c)]) for c in zip(*lines, strict=True)]
        logged = map("\t".join, zip(*columns, strict=True))
        copying.copy("segments_mergelog", LOGGED, logged)


def _columns(parts: Sequence[Part]) -> list[str]:
    """A column a parameter, as an array's literal."""
    return [
        number_array(part.id for part in parts),
        *map(text_array, _texts(parts)),
        number_array(_merged_into(part) for part in parts),
        truth_array(part.is_changed for part in parts),
    ]


def _lines(parts: Sequence[Part]) -> Iterable[str]:
    """Rows as COPY takes them."""
    columns = [
        [str(part.id) for part in parts],
        *([copying.field(text) for text in column] for column in _texts(parts)),
        [str(_merged_into(part) or copying.NULL) for part in parts],
    ]
    return map("\t".join, zip(*columns, strict=True))


def _merged_into(part: Part) -> int | None:
    return None if part.root is part else part.root.id


def _texts(parts: Iterable[Part]) -> Sequence[Sequence[str | None]]:
    """External ID, e-mail, phone, attributes, their times, and what each said alone."""
    external_ids, emails, phones, attributes, times, owns = [], [], [], [], [], []
    for part in parts:
        shown = part.shown()
        shown.tidy()
        data = shown.data
        external_ids.append(part.external_id if part.root is part else None)
        emails.append(data.get("email") or "")
        phones.append(data.get("phone") or "")
        if "email" in data or "phone" in data:
            data = {name: v for name, v in data.items() if name not in CONTACTS}
        attributes.append(stored.write(data))
        times.append(stored.write(shown.times))
        owns.append(part.own_text())
    return external_ids, emails, phones, attributes, times, owns


# Locked in order of id, so that two writers of the same people never wait in a circle.
# Each condition is an index of its own, and together they are a bitmap: ids out of a
# UNION are joined to the table, and where they are thousands all of it is read.
SELECT = """
SELECT id, external_id, email, phone, attributes::text, attribute_times::text,
    own::text, merged_into_id
FROM segments_profile WHERE {} ORDER BY id FOR NO KEY UPDATE
"""
BY_EXTERNAL_ID = "external_id = ANY(%s::text[])"
BY_ID = "id = ANY(%s::bigint[])"
BY_ROOT = "merged_into_id = ANY(%s::bigint[])"
COUNT = """
SELECT profile_id, count(*) FROM segments_identifier
WHERE profile_id = ANY(%s::bigint[]) GROUP BY profile_id
"""
COUNT_PARTS = """
SELECT merged_into_id, count(*) FROM segments_profile
WHERE merged_into_id = ANY(%s::bigint[]) AND id NOT IN (SELECT unnest(%s::bigint[]))
GROUP BY merged_into_id
"""
# A sequence is looked up once, in a SELECT of its own: for each id it would take longer
# than what counts on.
_SEQUENCE = "(SELECT pg_get_serial_sequence('segments_{table}', 'id')::regclass)"
_IDS = f"(SELECT array_agg(nextval({_SEQUENCE})) FROM generate_series(1, %s))"
NEXT_IDS = f"SELECT {_IDS.format(table='profile')}, {_IDS.format(table='identifier')}"
# What _lines writes.
COLUMNS = (
    "id",
    "external_id",
    "email",
    "phone",
    "attributes",
    "attribute_times",
    "own",
    "merged_into_id",
)
UPDATE = """
UPDATE segments_profile p
SET external_id = n.external_id, email = n.email, phone = n.phone,
    attributes = n.attributes::jsonb, attribute_times = n.times::jsonb,
    own = n.own::jsonb, merged_into_id = n.merged,
    updated_at = CASE WHEN n.is_changed THEN now() ELSE p.updated_at END
FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[],
    %s::text[], %s::bigint[], %s::bool[])
AS n (id, external_id, email, phone, attributes, times, own, merged, is_changed)
WHERE p.id = n.id
"""
_FACTS = """
unnest(%s::text[], %s::text[], %s::bigint[], %s::bool[], %s::bigint[], %s::text[])
"""
_TIME = "'epoch'::timestamptz + n.time * interval '1 microsecond'"
INSERT_FACTS = f"""
INSERT INTO segments_identifier (kind, value, profile_id, is_void, time, message_id)
SELECT kind, value, profile_id, is_void, {_TIME}, message_id
FROM {_FACTS} AS n (kind, value, profile_id, is_void, time, message_id)
ON CONFLICT (kind, value, profile_id) DO NOTHING
"""
INSERT_OWN_FACTS = f"""
INSERT INTO segments_identifier
    (id, is_own, kind, value, profile_id, is_void, time, message_id)
SELECT id, true, kind, value, profile_id, is_void, {_TIME}, message_id
FROM ROWS FROM (unnest(%s::bigint[]), {_FACTS})
AS n (id, kind, value, profile_id, is_void, time, message_id)
ON CONFLICT (kind, value, profile_id) DO UPDATE SET is_own = true
"""
RENEW_FACTS = f"""
UPDATE segments_identifier i
SET time = {_TIME}, message_id = n.message_id
FROM {_FACTS} AS n (kind, value, profile_id, is_void, time, message_id)
WHERE i.kind = n.kind AND i.value = n.value AND i.profile_id = n.profile_id
"""
HAND_OVER = """
UPDATE segments_identifier i SET profile_id = n.new
FROM unnest(%s::bigint[], %s::bigint[]) AS n (old, new) WHERE i.profile_id = n.old
"""
# Those that came by the part's identifier, and its own from before anybody noted that
# (0). By hash of both: one person's events, compared with one person's parts each by
# each, are the square of them; PostgreSQL does not see that one has so many.
BY_HASH = "SET LOCAL enable_nestloop = off; SET LOCAL enable_mergejoin = off"
BY_ANY = "SET LOCAL enable_nestloop TO DEFAULT; SET LOCAL enable_mergejoin TO DEFAULT"
MOVE_EVENTS = """
WITH m AS MATERIALIZED (
    SELECT before, via, own, after
    FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[])
        AS n (before, own, part, after),
        LATERAL (VALUES (own), (CASE WHEN before = part THEN 0 END)) v (via)
    WHERE via IS NOT NULL AND (before <> after OR (via = 0 AND own IS NOT NULL))
)
UPDATE segments_event e
SET profile_id = m.after, via_id = coalesce(e.via_id, m.own) FROM m
WHERE e.profile_id = ANY(%s::bigint[])
  AND e.profile_id = m.before AND coalesce(e.via_id, 0) = m.via
"""
# What Move.log says.
LOGGED = (
    "kind",
    "profile_id",
    "part_id",
    "reason",
    "identifier_kind",
    "identifier_value",
    "message_id",
    "followers",
)
