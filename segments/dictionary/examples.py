"""Some values of a name, read from the people and events that there are.

None is kept anywhere: who is erased is in no example.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import connection

from segments.dictionary.observing import ATTRIBUTE, PROPERTY
from segments.models import DictionaryEntry, stored
from segments.models.copying import text_array

# So many of the newest rows are looked into.
LOOKED_INTO = 2_000
MOST = 5
LENGTH = 60
COLUMNS = ("external_id", "email", "phone")


def of(entry: DictionaryEntry) -> list[str]:
    """A few distinct values among the newest that came; none of an event."""
    if entry.kind == PROPERTY:
        rows = _texts(OF_PROPERTY, [entry.name, entry.event, LOOKED_INTO])
    elif entry.kind == ATTRIBUTE:
        column = entry.name if entry.name in COLUMNS else ""
        statement = OF_COLUMN.format(column=column) if column else OF_ATTRIBUTE
        rows = _texts(statement, [LOOKED_INTO] if column else [entry.name, LOOKED_INTO])
    else:
        return []
    return [shown(stored.read(text)) for text in rows]


def of_attributes(names: Sequence[str]) -> Mapping[str, str]:
    """One value of each, as far as one of the newest people has it."""
    with connection.cursor() as cursor:
        cursor.execute(OF_MANY, [LOOKED_INTO, text_array(names)])
        return {name: shown(stored.read(text)) for name, text in cursor.fetchall()}


def shown(value: Any) -> str:
    """A value in a line, as short as a list has room for."""
    text = value if isinstance(value, str) else stored.write(value)
    line = " ".join(text.split())
    return line if len(line) <= LENGTH else f"{line[: LENGTH - 1]}…"


def _texts(statement: str, parameters: Sequence[str | int]) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(f"{statement} LIMIT {MOST}", parameters)
        return [text for (text,) in cursor.fetchall()]


_NOT_EMPTY = "value IS NOT NULL AND value NOT IN ('null', '\"\"', '[]', '{}')"
OF_ATTRIBUTE = f"""
SELECT DISTINCT value::text FROM (
    SELECT attributes -> %s::text AS value FROM (
        SELECT attributes FROM segments_profile WHERE merged_into_id IS NULL
        ORDER BY id DESC LIMIT %s
    ) p OFFSET 0
) v WHERE {_NOT_EMPTY}
"""
OF_COLUMN = f"""
SELECT DISTINCT value::text FROM (
    SELECT to_jsonb({{column}}) AS value FROM segments_profile
    WHERE merged_into_id IS NULL ORDER BY id DESC LIMIT %s
) v WHERE {_NOT_EMPTY.replace("{", "{{").replace("}", "}}")}
"""
OF_PROPERTY = f"""
SELECT DISTINCT value::text FROM (
    SELECT properties -> %s::text AS value FROM (
        SELECT properties FROM segments_event WHERE name = %s
        ORDER BY time DESC LIMIT %s
    ) e OFFSET 0
) v WHERE {_NOT_EMPTY}
"""
OF_MANY = f"""
SELECT DISTINCT ON (name) name, value::text FROM (
    SELECT attributes FROM segments_profile WHERE merged_into_id IS NULL
    ORDER BY id DESC LIMIT %s
) p CROSS JOIN LATERAL jsonb_each(
    CASE jsonb_typeof(attributes) WHEN 'object' THEN attributes ELSE '{{}}' END
) AS a (name, value)
WHERE name = ANY(%s::text[]) AND {_NOT_EMPTY}
"""
