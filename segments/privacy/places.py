"""Where somebody's data may be, beside the rows of people: each app names its places.

What goes with the row of a person (events, memberships, deliveries) needs none. A table
of any app that holds texts has one, or tests/segments/privacy/test_places.py says why
not.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.db import connection
from django.db.models import BinaryField, Field, Model, QuerySet

from segments.models import (
    BadRow,
    DictionaryEntry,
    InboxMessage,
    InboxRequest,
    NamesSeen,
    RefusedMessage,
    Segment,
    SourceWarning,
)
from segments.privacy import waiting
from segments.privacy.naming import Named

CHUNK = 500


class LaterError(Exception):
    """Something is in use; the text says what is waited for."""


# Forgets whoever is named; returns how many rows did name them. Raises LaterError.
Forget = Callable[[Named], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Columns that may hold somebody's data, and what is done about it.

    `label`: what the report calls the rows, in the plural. Whatever `forget` did once it
    does again without harm.
    """

    label: str
    columns: Mapping[type[Model], Collection[str]]
    forget: Forget


@dataclass(frozen=True, slots=True, kw_only=True)
class Counter:
    """Of what goes with the rows of people: how many there are."""

    label: str
    count: Callable[[Collection[int]], int]


_places: list[Place] = []
_counters: list[Counter] = []


def register(*found: Place | Counter) -> None:
    """Called once, when an app is ready."""
    for one in found:
        if isinstance(one, Place):
            _places.append(one)
        else:
            _counters.append(one)


def all_places() -> Sequence[Place]:
    return _places


def counters() -> Sequence[Counter]:
    return _counters


def deleted(model: type[Model], label: str, *columns: str) -> Place:
    """Rows that go if one of these columns names somebody."""
    return _place(model, label, columns, _delete)


def rewritten(model: type[Model], label: str, *columns: str) -> Place:
    """Rows that stay, without the words that name somebody."""
    return _place(model, label, columns, partial(_hide, columns=columns))


def rows(model: type[Model], columns: Sequence[str], named: Named) -> list[Any]:
    """The keys of the rows of which one of the columns names somebody."""
    table = connection.ops.quote_name(model._meta.db_table)
    texts = " || ' ' || ".join(_as_text(model, name) for name in columns)
    pk = model._meta.pk
    assert pk is not None
    # The database finds who may be meant; who is, is seen here.
    statement = f"SELECT {pk.column} FROM {table} WHERE {texts} ILIKE ANY(%s::text[])"
    with connection.cursor() as cursor:
        cursor.execute(statement, [named.likes])
        keys = [key for (key,) in cursor.fetchall()]
    found = []
    for start in range(0, len(keys), CHUNK):
        some = model._default_manager.filter(pk__in=keys[start : start + CHUNK])
        for key, *values in some.values_list("pk", *columns):
            if any(map(named.is_in, values)):
                found.append(key)
    return found


def _place(
    model: type[Model],
    label: str,
    columns: Sequence[str],
    act: Callable[[QuerySet[Any], Named], object],
) -> Place:
    def forget(named: Named) -> int:
        found = rows(model, columns, named)
        for start in range(0, len(found), CHUNK):
            some = model._default_manager.filter(pk__in=found[start : start + CHUNK])
            act(some, named)
        return len(found)

    return Place(label=label, columns={model: columns}, forget=forget)


def _delete(rows: QuerySet[Any], named: Named) -> None:
    rows.delete()


def _hide(rows: QuerySet[Any], named: Named, columns: Sequence[str]) -> None:
    for row in rows.select_for_update():
        values = {name: named.hide(getattr(row, name)) for name in columns}
        type(row)._default_manager.filter(pk=row.pk).update(**values)


def _as_text(model: type[Model], name: str) -> str:
    field = model._meta.get_field(name)
    assert isinstance(field, Field) and field.column
    column = connection.ops.quote_name(field.column)
    if isinstance(field, BinaryField):
        return f"encode({column}, 'escape')"
    return f"coalesce({column}::text, '')"


OWN = (
    Place(
        label="messages that waited",
        columns={InboxRequest: ["body"]},
        forget=waiting.forget,
    ),
    rewritten(InboxRequest, "reasons why messages wait", "note"),
    deleted(
        InboxMessage, "messages of the old inbox", "message_id", "payload", "error"
    ),
    deleted(RefusedMessage, "refused messages", "body", "message", "message_id"),
    deleted(BadRow, "bad rows of imports", "cells", "reason"),
    # A name that a program makes of somebody's address, or of their ID.
    deleted(NamesSeen, "names on their way to the dictionary", "body"),
    deleted(DictionaryEntry, "names in the dictionary", "name", "event"),
    rewritten(SourceWarning, "warnings of sources", "message"),
    rewritten(Segment, "problems of segments", "problem"),
)
