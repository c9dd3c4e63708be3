"""What the tables cost each row, and that they can be spread over machines by person."""

from collections import defaultdict
from dataclasses import dataclass
from itertools import permutations

import pytest
from django.apps import apps
from django.db import connection

pytestmark = pytest.mark.django_db

OURS = ("engagements", "externalapi", "segments")
# A row for each thing that a person did, was told or went through: each key that refers
# elsewhere would be looked up for each of them.
LOGS = {
    "engagements_delivery",
    "segments_event",
    "segments_membership",
    "segments_namesseen",
    "segments_seen",
    "segments_touched",
    "segments_transition",
}
# Of each large table, the column with the person that a row is about; of the messages
# that came, which say nothing of a person, their hash.
PERSON = {
    "engagements_delivery": "profile_id",
    "engagements_sentbefore": "profile_id",
    "segments_event": "profile_id",
    "segments_identifier": "profile_id",
    "segments_membership": "profile_id",
    "segments_profile": "id",
    "segments_seen": "key",
    "segments_touched": "profile_id",
    "segments_transition": "profile_id",
}
# Unique keys without the person, since they are asked who it is: distributed by value.
LOOKED_UP = {("segments_profile", ("external_id",))}
INDEXES = """
SELECT t.relname, i.relname, x.indisunique, x.indisprimary, m.amname,
    coalesce(pg_get_expr(x.indpred, x.indrelid), ''),
    (SELECT array_agg(pg_get_indexdef(x.indexrelid, n, false) ORDER BY n)
     FROM generate_series(1, x.indnatts) n),
    (SELECT array_agg(format('%s %s %s', x.indclass[n], x.indcollation[n],
        x.indoption[n]) ORDER BY n)
     FROM generate_series(0, x.indnkeyatts - 1) n)
FROM pg_index x
JOIN pg_class t ON t.oid = x.indrelid JOIN pg_class i ON i.oid = x.indexrelid
JOIN pg_am m ON m.oid = i.relam
WHERE t.relnamespace = 'public'::regnamespace
"""
REFERENCES = """
SELECT conrelid::regclass::text, confrelid::regclass::text
FROM pg_constraint WHERE contype = 'f'
"""
COUNTED_UP = """
SELECT FROM information_schema.columns
WHERE table_name = %s AND column_name = 'id' AND is_identity = 'YES'
"""


@dataclass(frozen=True, kw_only=True)
class Index:
    name: str
    is_unique: bool
    is_primary: bool
    method: str
    condition: str
    columns: tuple[str, ...]
    # Of each column that is ordered by: how.
    orders: tuple[str, ...]

    @property
    def keys(self) -> tuple[str, ...]:
        return self.columns[: len(self.orders)]

    def is_done_by(self, other: "Index") -> bool:
        """Whether the other finds all that this one finds."""
        count = len(self.keys)
        return (
            not self.is_unique
            and self.method == other.method == "btree"
            and self.condition == other.condition
            and self.keys == other.keys[:count]
            and self.orders == other.orders[:count]
            and set(self.columns) <= set(other.columns)
        )


def ask(sql, *parameters):
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters or None)
        return cursor.fetchall()


def indexes() -> dict[str, list[Index]]:
    """By table; of ours alone."""
    tables = {
        model._meta.db_table
        for app in OURS
        for model in apps.get_app_config(app).get_models()
    }
    found = defaultdict(list)
    for table, name, is_unique, is_primary, method, condition, columns, orders in ask(
        INDEXES
    ):
        if table in tables:
            index = Index(
                name=name,
                is_unique=is_unique,
                is_primary=is_primary,
                method=method,
                condition=condition,
                columns=tuple(columns),
                orders=tuple(orders),
            )
            found[table].append(index)
    assert found.keys() == tables
    return found


def test_no_index_is_the_beginning_of_another():
    """Each row pays for it, and it finds nothing that the other does not."""
    redundant = [
        f"{a.name} by {b.name}"
        for of_a_table in indexes().values()
        for a, b in permutations(of_a_table, 2)
        if a.is_done_by(b)
    ]
    assert redundant == []


def test_the_beginning_of_an_index_is_found():
    with connection.cursor() as cursor:
        cursor.execute("CREATE INDEX by_name ON segments_event (name)")
        cursor.execute("CREATE INDEX by_day ON segments_event (name) WHERE id > 5")
        cursor.execute("CREATE INDEX down ON segments_event (name DESC)")
    of_events = {index.name: index for index in indexes()["segments_event"]}
    longer = of_events["event_name_time"]
    assert of_events["by_name"].is_done_by(longer)
    assert not longer.is_done_by(of_events["by_name"])
    assert not of_events["by_day"].is_done_by(longer)
    assert not of_events["down"].is_done_by(longer)


def test_no_log_refers_to_anything_nor_is_referred_to():
    """Who deletes people and segments takes their rows along (membership.deleting)."""
    assert indexes().keys() >= LOGS
    references = ask(REFERENCES)
    assert references
    assert [pair for pair in references if LOGS & set(pair)] == []


def test_each_unique_key_of_a_large_table_holds_the_person_or_is_a_lookup():
    """So that machines can share the tables out by person (docs/scaling.md).

    What a counter hands out is unique as it is, and its key may take in the person.
    """
    found = indexes()
    for table, person in PERSON.items():
        for index in found[table]:
            if index.is_primary and index.keys == ("id",):
                assert ask(COUNTED_UP, table), f"{table}: who makes its ids?"
            elif index.is_unique:
                is_lookup = (table, index.keys) in LOOKED_UP
                assert person in index.keys or is_lookup, f"{table}: {index.name}"
