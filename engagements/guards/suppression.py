"""Who is never sent anything: people of segments that are marked so, and of the list.

Both may be for some channels only, as External APIs name them. Looked at when a request
is written, so that who comes in while they wait is not sent.
"""

from django.db import connection

from engagements.guards.asking import Asked, Guard, Verdicts
from engagements.outbox.names import NAMES
from engagements.personalization.renderer import Skip

CODE = "suppressed"
LISTED = Skip(code=CODE, message="The person is on the suppression list.")
# Person by person, whatever PostgreSQL thinks of how many people a segment has; and the
# name of one that each is in.
MEMBERS = """
    SELECT person, its.name FROM unnest(%(people)s::bigint[]) person
    CROSS JOIN LATERAL (
        SELECT s.name FROM segments_membership m
        JOIN segments_segment s ON s.id = m.segment_id
        WHERE m.profile_id = person AND m.segment_id = ANY(%(marked)s::bigint[])
        LIMIT 1
    ) its
"""
# By who they are, whoever is part of them by now, and whatever they are known by.
ON_THE_LIST = f"""
    WITH parts (id, part) AS MATERIALIZED ({NAMES}), names AS MATERIALIZED (
        SELECT x.id, k.kind, k.value FROM segments_profile x
        CROSS JOIN LATERAL (VALUES ('external_id', x.external_id), ('email', x.email),
            ('phone', x.phone)) k (kind, value)
        WHERE x.id = ANY(%(people)s::bigint[]) AND k.value <> ''
        UNION
        SELECT p.id, i.kind, i.value FROM parts p
        JOIN segments_identifier i ON i.profile_id = p.part
        WHERE NOT i.is_void OR i.is_own
    ), listed AS (
        SELECT p.id, s.channels FROM parts p
        JOIN engagements_suppression s ON s.kind = 'person' AND s.profile_id = p.part
        UNION ALL
        SELECT n.id, s.channels FROM names n
        JOIN engagements_suppression s ON s.kind = n.kind AND s.value = n.value
            AND s.kind <> 'person'
    )
    SELECT DISTINCT id FROM listed
    WHERE channels = '{{}}' OR %(channel)s::text = ANY(channels)
"""


def _is_set(asked: Asked) -> bool:
    site = asked.site
    return site.has_suppressions or bool(site.suppressing(asked.channel))


def _ask(asked: Asked) -> Verdicts:
    channel = asked.channel
    with connection.cursor() as cursor:
        members, listed = dict[int, str](), set[int]()
        if marked := asked.site.suppressing(channel):
            cursor.execute(MEMBERS, {"people": asked.roots, "marked": marked})
            members = dict(cursor.fetchall())
        if asked.site.has_suppressions:
            cursor.execute(ON_THE_LIST, {"people": asked.roots, "channel": channel})
            listed = {id for (id,) in cursor.fetchall()}
    # One for all whom it is about.
    said = {name: _in_segment(name) for name in set(members.values())}
    people = asked.people.items() if members else ()
    return {
        **{id: said[members[root]] for id, root in people if root in members},
        **asked.stopped(listed, LISTED),
    }


def _in_segment(name: str) -> Skip:
    words = f"The person is in “{name}”, whose people are never sent anything."
    return Skip(code=CODE, message=words)


GUARD = Guard(name="Suppression list", is_set=_is_set, ask=_ask)
