"""Who is never sent anything: people of the segments that are marked so.

Looked at when a request is written, so that who comes in while they wait is not sent.
Where no segment is marked it is one look into an index that is empty.
"""

from collections.abc import Collection, Iterable

from django.db import connection

from engagements.personalization.renderer import Skip

SUPPRESSED = Skip(
    code="suppressed",
    message="The person is in a segment whose people are never sent anything.",
)
MARKED = "SELECT id FROM segments_segment WHERE is_suppression"
# Who is part of another now is sent to as that person.
MEMBERS = """
    SELECT p.id FROM segments_profile p
    WHERE p.id = ANY(%(people)s::bigint[]) AND EXISTS (
        SELECT FROM segments_membership m
        WHERE m.profile_id = coalesce(p.merged_into_id, p.id)
            AND m.segment_id = ANY(%(marked)s::bigint[])
    )
"""


def who_is(profile_ids: Iterable[int]) -> Collection[int]:
    """Of these people; they are asked for only where a segment is marked."""
    with connection.cursor() as cursor:
        cursor.execute(MARKED)
        marked = [id for (id,) in cursor.fetchall()]
        if not marked:
            return ()
        # A list of numbers reads in PostgreSQL as in Python, but for its brackets.
        people = f"{{{str(sorted(set(profile_ids)))[1:-1]}}}"
        cursor.execute(MEMBERS, {"people": people, "marked": marked})
        return {id for (id,) in cursor.fetchall()}
