"""Some values of a name, read from the people and events that there are.

None is kept anywhere: who is erased is in no example.
"""

from collections.abc import Sequence
from typing import Any

from django.db import connection

from segments.dictionary.observing import ATTRIBUTE, PROPERTY
from segments.models import DictionaryEntry, stored
from segments.rules import kinds

# So many of the newest rows are looked into.
LOOKED_INTO = 2_000
MOST = 5
LENGTH = 60


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
