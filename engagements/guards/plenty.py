"""Room under caps for those of whom it is plain that there is some: in one statement."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db import connection

from engagements import time_zones
from engagements.guards.asking import Asked
from engagements.models import FrequencyCap
from lemnisk_braze.lib.database_retry import LATER_ON_DISK
from segments.models import copying

PEOPLE = "unnest(%(people)s::bigint[], %(entries)s::bigint[]) x (id, entry)"
# The month after: for all of a month the same, so that no index is written with each.
LAST = "date_trunc('month', clock_timestamp(), 'UTC') + interval '1 month'"
# Takes room for people who have one name, once each, in order, and returns the others:
# those in whose list so many have come since a cap counts, of whatever scope, that it may
# be full, and those who are in it with this delivery already. Before them, when it is. A list is in order, but for
# what its writers waited for each other: `since` is earlier by more than that.
PLAIN = f"""
    WITH x AS MATERIALIZED (
        SELECT id, entry FROM {PEOPLE} WHERE id NOT IN (
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
    SELECT id, 0 FROM {PEOPLE} WHERE id NOT IN (SELECT profile_id FROM taken)
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
# In milliseconds; no statement takes so long.
MARGIN = 10 * 60 * 1_000
# Longer lists are made shorter.
LONG = 200


def take(
    asked: Asked, caps: Sequence[FrequencyCap], plain: Mapping[int, int]
) -> tuple[set[int], int]:
    """Take room for all of these who have plenty; the others, and when it was."""
    engagement, run = asked.engagement, asked.run
    assert run is not None
    wanted: dict[str, Any] = {
        "people": copying.number_array(plain.keys()),
        "entries": copying.number_array(plain.values()),
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
    sends, same = OF_EACH if any(plain.values()) else OF_ALL
    same = same.format(engagement=engagement.pk, run=run.pk)
    with connection.cursor() as cursor:
        cursor.execute(PLAIN.format(sends=sends, same=same, room=room), wanted)
        found = dict(cursor.fetchall())
    at = found.pop(None)
    return set(found), at


def _since(asked: Asked, cap: FrequencyCap) -> int:
    """Before that nothing counts, whoever it is."""
    begins = cap.begins(asked.now, time_zones.zone_of(cap.time_zone, "UTC"))
    if cap.window == FrequencyCap.Window.CALENDAR and cap.zone_attribute:
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
