"""Who is in a segment that the engagement excludes, when the request is written."""

from typing import Any

from django.db import connection

from engagements.guards.asking import Asked, Guard, Verdicts
from engagements.personalization.renderer import Skip

# The segments of each, by name: one of them stands in the reason.
MEMBERS = """
    SELECT m.profile_id, min(s.name) FROM segments_membership m
    JOIN segments_segment s ON s.id = m.segment_id
    WHERE m.profile_id = ANY(%(people)s::bigint[])
      AND m.segment_id = ANY(%(excluded)s::bigint[])
    GROUP BY m.profile_id
"""


def _is_set(asked: Asked) -> bool:
    return bool(asked.excluded)


def _ask(asked: Asked) -> Verdicts:
    wanted: dict[str, Any] = {"people": asked.roots, "excluded": list(asked.excluded)}
    with connection.cursor() as cursor:
        cursor.execute(MEMBERS, wanted)
        found: dict[int, str] = dict(cursor.fetchall())
    return {
        id: Skip(code="excluded", message=f"The person is in “{found[root]}”.")
        for id, root in asked.people.items()
        if root in found
    }


GUARD = Guard(name="Excluded segments", is_set=_is_set, ask=_ask)
