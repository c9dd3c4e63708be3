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
