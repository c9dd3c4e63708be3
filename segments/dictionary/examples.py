"""Some values of a name, read from the people and events that there are.

None is kept anywhere: who is erased is in no example.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection

from lemnisk_braze.lib.time_limits import at_most
from segments.dictionary import values
from segments.dictionary.catalog import percent
from segments.dictionary.observing import ATTRIBUTE, PROPERTY
from segments.models import DictionaryEntry, ValueType, stored
from segments.rules import kinds

# So many of the newest rows are looked into.
LOOKED_INTO = 2_000
MOST = 5
LENGTH = 60
MOST_FIELDS = 50
# Long lists of objects may be slow to look through, in milliseconds.
PATIENCE = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A field of the objects in a list: its type (of ValueType), and how many have it."""

    name: str
    type: str
    share: str


def of(entry: DictionaryEntry) -> list[str]:
    """A few distinct values, the newest that came; none of an event."""
    name = entry.name
    if entry.kind == PROPERTY:
        return _read(OF_PROPERTY, [name, entry.event, LOOKED_INTO])
    if entry.kind != ATTRIBUTE:
        return []
    if name in OF_COLUMN:
        return _read(OF_COLUMN[name], [LOOKED_INTO])
    return _read(OF_ATTRIBUTE, [name, LOOKED_INTO])


def fields_of(entry: DictionaryEntry) -> list[Field]:
    """The fields of the objects in an attribute's lists, the most frequent first."""
    if entry.kind != ATTRIBUTE or not entry.type_counts.get(ValueType.OBJECTS):
        return []
    rows: list[tuple[str, int, int, list[str]]] = []
    with at_most(PATIENCE), connection.cursor() as cursor:
        cursor.execute(FIELDS, [entry.name, LOOKED_INTO, MOST_FIELDS])
        rows = cursor.fetchall()
    return [
        Field(
            name=name, type=_type_of(texts), share=f"{percent(n / whole)} of the items"
        )
        for name, n, whole, texts in rows
    ]


def _type_of(texts: Sequence[str]) -> str:
    """The most frequent type of JSON values that is not null; "" for none."""
    places = Counter(values.place(stored.read(text)) for text in texts)
    places.pop(values.PLACE[ValueType.NULL], None)
    return ValueType.values[places.most_common(1)[0][0]] if places else ""


def shown(value: Any) -> str:
    """A value in a line, as short as a list has room for."""
    text = value if isinstance(value, str) else stored.write(value)
    line = " ".join(text.split())
    return line if len(line) <= LENGTH else f"{line[: LENGTH - 1]}…"


def _read(statement: str, parameters: Sequence[str | int]) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(f"{statement} LIMIT {MOST}", parameters)
        return [shown(stored.read(text)) for (text,) in cursor.fetchall()]


_NOT_EMPTY = "value IS NOT NULL AND value NOT IN ('null', '\"\"', '[]', '{}')"
_NEWEST_FIRST = f"""
WHERE {_NOT_EMPTY} GROUP BY value ORDER BY max(at) DESC
"""
OF_ATTRIBUTE = f"""
SELECT value::text FROM (
    SELECT attributes -> %s::text AS value, id AS at FROM (
        SELECT attributes, id FROM segments_profile WHERE merged_into_id IS NULL
        ORDER BY id DESC LIMIT %s
    ) p OFFSET 0
) v {_NEWEST_FIRST}
"""
OF_COLUMN = {
    column: f"""
SELECT value::text FROM (
    SELECT to_jsonb({column}) AS value, id AS at FROM segments_profile
    WHERE merged_into_id IS NULL ORDER BY id DESC LIMIT %s
) v {_NEWEST_FIRST}
"""
    for column in kinds.COLUMNS
}
OF_PROPERTY = f"""
SELECT value::text FROM (
    SELECT properties -> %s::text AS value, time AS at FROM (
        SELECT properties, time FROM segments_event WHERE name = %s
        ORDER BY time DESC LIMIT %s
    ) e OFFSET 0
) v {_NEWEST_FIRST}
"""
# The objects of the newest people's lists; of each field some values, for its type.
FIELDS = """
WITH item AS MATERIALIZED (
    SELECT item FROM (
        SELECT attributes -> %s::text AS list FROM segments_profile
        WHERE merged_into_id IS NULL ORDER BY id DESC LIMIT %s
    ) p, jsonb_array_elements(
        CASE jsonb_typeof(list) WHEN 'array' THEN list ELSE '[]' END) item
    WHERE jsonb_typeof(item) = 'object'
)
SELECT key, count(*), (SELECT count(*) FROM item), (array_agg(value::text))[:20]
FROM item, jsonb_each(item) GROUP BY key ORDER BY count(*) DESC, key LIMIT %s
"""
