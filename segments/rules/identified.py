"""Whose an identifier is, in SQL: the person's own, and what was said of them.

An identifier of somebody who is part of a person is that person's. One that was said of
several people is of each of them; one that is void, since somebody undid what it
joined, is of nobody but whose own it is.
"""

from segments.rules.operators import literal

# Identifiers that are columns of people.
COLUMNS = ("external_id", "email", "phone")
_SAID = "(NOT i.is_void OR i.is_own)"


def owners(values: str, kind: str) -> str:
    """SQL of the ids of the people who have one of these identifiers, doubles included.

    `values`: SQL of a query with a column `value`; `kind`: SQL of their one kind.
    """
    rows = [
        f"SELECT x.id FROM ({values}) v JOIN segments_profile x"
        f" ON x.{name} = v.value AND x.{name} <> '' WHERE {kind} = {literal(name)}"
        for name in COLUMNS
    ]
    rows.append(
        f"SELECT coalesce(x.merged_into_id, x.id) FROM ({values}) v"
        f" JOIN segments_identifier i ON i.value = v.value AND i.kind = {kind}"
        f" AND {_SAID} JOIN segments_profile x ON x.id = i.profile_id"
    )
    return " UNION ALL ".join(rows)


def owners_one_by_one(values: str, kind: str) -> str:
    """The same, where each identifier is looked up by itself, whatever statistics say.

    Those of tables that were just filled have PostgreSQL compare everybody with every
    identifier. What is lateral with an OFFSET, or a scalar, it does not join.
    """
    rows = [
        f"SELECT x.id FROM ({values}) v CROSS JOIN LATERAL ("
        f"{_has(name, 'v.value')} OFFSET 0) x WHERE {kind} = {literal(name)}"
        for name in COLUMNS
    ]
    rows.append(
        f"SELECT i.id FROM ({values}) v CROSS JOIN LATERAL (SELECT"
        " (SELECT coalesce(x.merged_into_id, x.id) FROM segments_profile x"
        f" WHERE x.id = i.profile_id) AS id FROM {_said('v.value', kind)} OFFSET 0) i"
    )
    return " UNION ALL ".join(rows)


def is_known(value: str, kind: str) -> str:
    """SQL of whether anybody has this identifier; `value` and `kind`: SQL of it."""
    rows = [
        f"{kind} = {literal(name)} AND EXISTS ({_has(name, value)})" for name in COLUMNS
    ]
    return f"({' OR '.join(rows)} OR EXISTS (SELECT FROM {_said(value, kind)}))"


def _has(name: str, value: str) -> str:
    return f"SELECT x.id FROM segments_profile x WHERE x.{name} = {value} AND x.{name} <> ''"


def _said(value: str, kind: str) -> str:
    return (
        f"segments_identifier i WHERE i.value = {value} AND i.kind = {kind} AND {_SAID}"
    )


def of(person: str, kind: str) -> str:
    """SQL of a query with a column `value`: a person's identifiers of a kind.

    `person`: SQL of the id of somebody who is not part of another; `kind`: of a kind.
    """
    columns = " ".join(f"WHEN {literal(name)} THEN x.{name}" for name in COLUMNS)
    return (
        f"SELECT CASE {kind} {columns} END AS value FROM segments_profile x"
        f" WHERE x.id = {person}"
        f" UNION ALL SELECT i.value FROM segments_profile x"
        f" JOIN segments_identifier i ON i.profile_id = x.id AND i.kind = {kind}"
        f" AND {_SAID} WHERE x.id = {person} OR x.merged_into_id = {person}"
    )
