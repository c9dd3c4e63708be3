"""A merge is undone: a part is split off, and what joined it joins it no more."""

from django.db import connection

from segments.identity.people import People

# In order of id, as whoever applies the inbox has them.
GROUP = """
SELECT id FROM segments_profile
WHERE coalesce(merged_into_id, id) = (
    SELECT coalesce(merged_into_id, id) FROM segments_profile WHERE id = %s
)
ORDER BY id FOR NO KEY UPDATE
"""
# What is the part's own is no longer said of the others; what else was said of both is
# no longer said of the part. Columns say it too, where no row does.
VOID = """
WITH said (id, kind, value, profile_id, is_own) AS (
    SELECT id, kind, value, profile_id, is_own FROM segments_identifier
    WHERE profile_id = ANY(%(group)s::bigint[]) AND NOT is_void
), both_sides AS (
    SELECT mine.id, mine.is_own, other.id AS other_id, other.is_own AS other_is_own
    FROM said mine JOIN said other USING (kind, value)
    WHERE mine.profile_id = %(part)s AND other.profile_id <> %(part)s
)
UPDATE segments_identifier i SET is_void = true FROM both_sides b
WHERE (i.id = b.other_id AND b.is_own AND NOT b.other_is_own)
   OR (i.id = b.id AND NOT b.is_own)
"""
UNDONE = """
UPDATE segments_mergelog SET undone_at = now()
WHERE part_id = %s AND kind = 'merge' AND undone_at IS NULL
"""


class NotMergedError(Exception):
    """The person is part of nobody, or nothing that was said joins them."""


def split_off(part_id: int) -> People:
    """Split a part off from the person whom it is part of; return who has changed.

    Call it in a transaction, with the inbox's lock. Raises NotMergedError.
    """
    with connection.cursor() as cursor:
        cursor.execute(GROUP, [part_id])
        group = [id for (id,) in cursor.fetchall()]
        if len(group) < 2:
            raise NotMergedError("This person is part of nobody now.")
        cursor.execute(VOID, {"group": group, "part": part_id})
        cursor.execute(UNDONE, [part_id])
    people = People(())
    people.reopen(group)
    people.save()
    if not people.changed_ids:
        raise NotMergedError("Nothing that was said joins them to anybody.")
    return people
