"""Who is never sent anything: people of segments that are marked so, and of the list.

Both may be for some channels only, as External APIs name them. Looked at when a request
is written, so that who comes in while they wait is not sent.
"""

from collections.abc import Collection, Mapping

from django.db import connection

from engagements.guards.asking import Asked, Guard, Verdicts
from engagements.outbox.names import NAMES
from engagements.personalization.renderer import Skip
from segments.models import Segment

CODE = "suppressed"
LISTED = Skip(code=CODE, message="The person is on the suppression list.")
# Person by person, whatever PostgreSQL thinks of how many people a segment has; and one
# of the segments that each is in.
MEMBERS = """
    SELECT person, its.segment_id FROM unnest(%(people)s::bigint[]) person
    CROSS JOIN LATERAL (
        SELECT m.segment_id FROM segments_membership m
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
        members, listed = dict[int, int](), set[int]()
        if marked := asked.site.suppressing(channel):
            cursor.execute(MEMBERS, {"people": asked.roots, "marked": marked})
            members = dict(cursor.fetchall())
        if asked.site.has_suppressions:
            cursor.execute(ON_THE_LIST, {"people": asked.roots, "channel": channel})
            listed = {id for (id,) in cursor.fetchall()}
    said = _said(set(members.values()))
    people = asked.people.items() if members else ()
    return {
        **{id: said[members[root]] for id, root in people if root in members},
        **asked.stopped(listed, LISTED),
    }


def _said(segments: Collection[int]) -> Mapping[int, Skip]:
    """What to say of who is in these: one for all whom it is about."""
    if not segments:
        return {}
    named = Segment.objects.filter(pk__in=segments).values_list("pk", "name")
    # One that was deleted a moment ago has no name any more.
    words = {
        **dict.fromkeys(segments, "a segment"),
        **{pk: f"“{n}”" for pk, n in named},
    }
    message = "The person is in {}, whose people are never sent anything."
    return {
        pk: Skip(code=CODE, message=message.format(own)) for pk, own in words.items()
    }


GUARD = Guard(name="Suppression list", is_set=_is_set, ask=_ask)
