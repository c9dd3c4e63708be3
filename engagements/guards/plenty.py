"""Room under caps where it is plain that there is some, or none: a statement for each."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db import connection

from engagements import time_zones
from engagements.guards.asking import Asked
from engagements.models import Delivery, FrequencyCap
from lemnisk_braze.lib.database_retry import LATER_ON_DISK
from segments.models import copying

# Where all have the same entry, and where each has their own.
PEOPLE = (
    "(SELECT id, 0 FROM unnest(%(people)s::bigint[]) id) x (id, entry)",
    "unnest(%(people)s::bigint[], %(entries)s::bigint[]) x (id, entry)",
)
# The month after: for all of a month the same, so that no index is written with each.
LAST = "date_trunc('month', clock_timestamp(), 'UTC') + interval '1 month'"
# Takes room for people who have one name, once each, in order, and returns the others:
# those in whose list so many have come since a cap counts, of whatever scope, that it may
# be full, and those who are in it with this delivery already. Before them, when it is. A list is in order, but for
# what its writers waited for each other: `since` is earlier by more than that.
PLAIN = f"""
    WITH asked AS MATERIALIZED (SELECT id, entry FROM {{people}}), x AS MATERIALIZED (
        SELECT id, entry FROM asked WHERE id NOT IN (
            -- Asked for so few, it never reads everybody there is.
            SELECT merged_into_id FROM segments_profile
            WHERE merged_into_id = ANY(%(people)s::bigint[])
        )
    ), one AS MATERIALIZED (
        SELECT jsonb_build_array(jsonb_build_array(
                (extract(epoch FROM clock_timestamp()) * 1000)::bigint,
                %(engagement)s::bigint, %(segment)s::bigint, %(channel)s::text,
                %(run)s::bigint, 0)) AS sends,
            {LAST} AS last_at, {LATER_ON_DISK} AS is_later
    ), taken AS (
        INSERT INTO engagements_sentlately AS s (profile_id, sends, last_at)
        SELECT x.id, {{sends}}, one.last_at
        FROM x CROSS JOIN one WHERE one.is_later ORDER BY x.id
        ON CONFLICT (profile_id) DO UPDATE
        SET sends = s.sends || excluded.sends, last_at = excluded.last_at
        WHERE jsonb_array_length(s.sends) < %(long)s
            AND NOT s.sends @> {{same}} {{room}}
        RETURNING profile_id
    )
    SELECT NULL, (sends #>> '{{{{0,0}}}}')::bigint FROM one UNION ALL
    SELECT id, 0 FROM asked WHERE id NOT IN (SELECT profile_id FROM taken)
"""
# What is added, and what is in a list that has it already: where all have the same entry,
# and where each has their own.
OF_ALL = ("one.sends", "'[[{engagement}, {run}, 0]]'::jsonb")
OF_EACH = (
    "jsonb_set(one.sends, '{0,5}', to_jsonb(x.entry))",
    "jsonb_build_array(jsonb_build_array({engagement}, {run}, excluded.sends #> '{{0,5}}'))",
)
# Whether a cap of so many that counts since then has room, whatever it counts.
ROOM = "AND coalesce((s.sends -> {last} ->> 0)::bigint < {since}, true)"
# Who has no room under a cap, and which is the first; nothing is taken, and no lock. What
# came to its end without being sent does not count.
NONE = f"""
    SELECT s.profile_id, none.number
    FROM unnest(%(people)s::bigint[], %(entries)s::bigint[]) x (id, entry)
    JOIN engagements_sentlately s ON s.profile_id = x.id
    CROSS JOIN LATERAL (
        SELECT c.number FROM unnest(%(since)s::bigint[], %(room)s::int[],
            %(channels)s::text[], %(segments)s::bigint[], %(engagements)s::bigint[])
            WITH ORDINALITY c (since, room, channel, segment_id, engagement_id, number)
        WHERE c.room <= (
            SELECT count(*) FROM jsonb_array_elements(s.sends) send
            WHERE (send ->> 0)::bigint >= c.since
                AND c.channel IN ('', send ->> 3)
                AND coalesce(c.segment_id = (send ->> 2)::bigint, true)
                AND coalesce(c.engagement_id = (send ->> 1)::bigint, true)
                AND (SELECT d.state IN {tuple(map(str, Delivery.MAYBE_SENT))}
                    FROM engagements_delivery d WHERE d.profile_id = s.profile_id
                        AND d.run_id = (send ->> 4)::bigint
                        AND d.transition_id = (send ->> 5)::bigint) IS NOT FALSE
        ) ORDER BY c.number LIMIT 1
    ) none
    -- Who has room taken for this delivery is asked under a lock.
    WHERE NOT s.sends @> jsonb_build_array(jsonb_build_array(
        %(engagement)s::bigint, %(run)s::bigint, x.entry))
"""
# In milliseconds; no statement takes so long.
MARGIN = 10 * 60 * 1_000
# Longer lists are made shorter.
LONG = 200


def plain(asked: Asked, people: Sequence[tuple[int, int]]) -> dict[int, int]:
    """Those who are there once, by their own name, and their entry."""
    own = dict(people)
    if len(own) < len(people):
        often = {id for id, n in Counter(id for id, _ in people).items() if n > 1}
        own = {id: entry for id, entry in own.items() if id not in often}
    if asked.merged:
        own = {id: entry for id, entry in own.items() if asked.people[id] == id}
    return own


def take(
    asked: Asked, caps: Sequence[FrequencyCap], plain: Mapping[int, int]
) -> tuple[set[int], int]:
    """Take room for all of these who have plenty; the others, and when it was."""
    engagement, run = asked.engagement, asked.run
    assert run is not None
    has_entries = any(plain.values())
    wanted: dict[str, Any] = {
        "people": copying.number_array(plain.keys()),
        "entries": copying.number_array(plain.values()) if has_entries else "{}",
        "engagement": engagement.pk,
        "segment": engagement.segment_id,
        "channel": asked.channel,
        "run": run.pk,
        "long": LONG,
    }
    room = "".join(
        ROOM.format(last=-room_under(asked, cap), since=_since(asked, cap))
        for cap in caps
        if engagement.heeds_caps
    )
    sends, same = OF_EACH if has_entries else OF_ALL
    same = same.format(engagement=engagement.pk, run=run.pk)
    with connection.cursor() as cursor:
        cursor.execute(
            PLAIN.format(people=PEOPLE[has_entries], sends=sends, same=same, room=room),
            wanted,
        )
        found = dict(cursor.fetchall())
    at = found.pop(None)
    return set(found), at


def none(
    asked: Asked, caps: Sequence[FrequencyCap], people: Mapping[int, int], at: int
) -> dict[int, FrequencyCap]:
    """Of these people, who have one name, those of whom a cap was full at a time.

    By person, with their entry; the time in milliseconds. Nobody, where a cap counts by
    each person's own clock, or where caps are not heeded.
    """
    engagement, run = asked.engagement, asked.run
    if not (people and run and engagement.heeds_caps):
        return {}
    if any(cap.is_by_own_zone for cap in caps):
        return {}
    now = datetime.fromtimestamp(at / 1_000, UTC)
    wanted: dict[str, Any] = {
        "people": copying.number_array(people.keys()),
        "entries": copying.number_array(people.values()),
        "engagement": engagement.pk,
        "run": run.pk,
        "since": [
            milliseconds(cap.begins(now, time_zones.zone_of(cap.time_zone, "UTC")))
            for cap in caps
        ],
        "room": [room_under(asked, cap) for cap in caps],
        "channels": [cap.channel for cap in caps],
        "segments": [cap.segment_id for cap in caps],
        "engagements": [cap.engagement_id for cap in caps],
    }
    with connection.cursor() as cursor:
        cursor.execute(NONE, wanted)
        return {id: caps[number - 1] for id, number in cursor.fetchall()}


def _since(asked: Asked, cap: FrequencyCap) -> int:
    """Before that nothing counts, whoever it is."""
    begins = cap.begins(asked.now, time_zones.zone_of(cap.time_zone, "UTC"))
    if cap.is_by_own_zone:
        # Somewhere it is a day earlier, and midnight so many hours sooner.
        day = timedelta(days=1)
        begins = cap.begins(asked.now - day, ZoneInfo("UTC")) - day
    return milliseconds(begins) - MARGIN


def room_under(asked: Asked, cap: FrequencyCap) -> int:
    """How many of what it covers somebody may be sent by the engagement; 1 at least."""
    return cap.most - (0 if asked.engagement.has_priority else cap.kept)


def milliseconds(at: datetime) -> int:
    """Since 1970, as times are kept."""
    return round(at.timestamp() * 1_000)
