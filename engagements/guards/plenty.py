"""Room under caps where it is plain that there is some, or none: a statement for each."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db import connection

from engagements import time_zones
from engagements.guards.asking import Asked
from engagements.models import Delivery, FrequencyCap, SentLately, channel_number
from engagements.outbox.names import AMONG_THOSE, THOSE, WITH_NAMES
from lemnisk_braze.lib.database_retry import LATER_ON_DISK
from segments.models import copying

# The month after: for all of a month the same, so that no index is written with each.
LAST = "date_trunc('month', clock_timestamp(), 'UTC') + interval '1 month'"
_WIDTH = SentLately.WIDTH
# What is added for each.
_SEND = """ARRAY[ARRAY[{at}, %(engagement)s::bigint, %(segment)s::bigint,
    %(channel)s::bigint, %(run)s::bigint, {entry}]]"""
ONE = f"""
    SELECT now.at, {_SEND.format(at="now.at", entry="0")} AS sends, now.last_at, now.is_later
    FROM (
        SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS at,
            {LAST} AS last_at, {LATER_ON_DISK} AS is_later
    ) now
"""
# In whose list not so many have come since a cap counts, of whatever scope, that it may be
# full, and who is not in it with this delivery already: nobody is in whose list nothing
# has come since the run began.
PLENTY = f"""
    cardinality(s.sends) < %(long)s {{room}}
    AND NOT (coalesce(s.sends[cardinality(s.sends) / {_WIDTH}][1] >= %(begun)s, false)
        AND {{same}})
"""
# Takes room for people who have one name, once each, and returns the others; before them,
# when it is. A list is in order, but for what its writers waited for each other: `since`
# is earlier by more than that. The index has people in order, and so nobody waits for who
# waits for them; another way to find them would be in its own.
OF_ALL = f"""
    SET LOCAL enable_seqscan = off;
    SET LOCAL enable_bitmapscan = off;
    WITH {THOSE}, one AS MATERIALIZED ({ONE}), taken AS (
        UPDATE engagements_sentlately s
        SET sends = s.sends || one.sends, last_at = one.last_at FROM one
        WHERE s.profile_id = {AMONG_THOSE} AND one.is_later AND {PLENTY}
            AND s.profile_id NOT IN ({WITH_NAMES})
        RETURNING s.profile_id
    )
    SELECT NULL, at FROM one UNION ALL
    SELECT id, 0 FROM those CROSS JOIN unnest(people) id
    LEFT JOIN taken ON taken.profile_id = id WHERE taken.profile_id IS NULL
"""
# The same of those who have no list yet, at a time that is known; returns whose it is
# that begins. Nearly everybody has one: to look for it with each of all would take as
# long as all the rest.
OF_NEW = f"""
    WITH {THOSE}, one AS MATERIALIZED ({ONE})
    INSERT INTO engagements_sentlately (profile_id, sends, last_at)
    SELECT id, {_SEND.format(at="%(at)s::bigint", entry="0")}, one.last_at
    FROM one, those, unnest(people) id
    WHERE one.is_later AND id NOT IN ({WITH_NAMES}) AND NOT EXISTS (
        SELECT FROM engagements_sentlately s WHERE s.profile_id = id
    )
    ORDER BY id ON CONFLICT DO NOTHING
    RETURNING profile_id
"""
# The same where each has an entry of their own.
OF_EACH = f"""
    WITH {THOSE}, one AS MATERIALIZED ({ONE}), asked AS MATERIALIZED (
        SELECT id, entry FROM those, unnest(people, %(entries)s::bigint[])
            x (id, entry)
    ), taken AS (
        INSERT INTO engagements_sentlately AS s (profile_id, sends, last_at)
        SELECT asked.id, {_SEND.format(at="one.at", entry="asked.entry")}, one.last_at
        FROM asked CROSS JOIN one
        WHERE one.is_later AND asked.id NOT IN ({WITH_NAMES}) ORDER BY asked.id
        ON CONFLICT (profile_id) DO UPDATE
        SET sends = s.sends || excluded.sends, last_at = excluded.last_at
        WHERE {PLENTY}
        RETURNING profile_id
    )
    SELECT NULL, at FROM one UNION ALL
    SELECT id, 0 FROM asked WHERE id NOT IN (SELECT profile_id FROM taken)
"""
# Whether a list has the delivery already, with this entry.
SAME = """EXISTS (
    SELECT FROM generate_subscripts(s.sends, 1) n
    WHERE s.sends[n][5] = %(run)s AND s.sends[n][6] = {entry}
)"""
# Whether a cap of so many that counts since then has room, whatever it counts.
ROOM = f"""AND coalesce(
    s.sends[cardinality(s.sends) / {_WIDTH} + 1 - {{most}}][1] < {{since}}, true)
"""
# Who has no room under a cap, and which is the first; nothing is taken, and no lock. What
# came to its end without being sent does not count.
NONE = f"""
    SELECT s.profile_id, none.number
    FROM unnest(%(people)s::bigint[], %(entries)s::bigint[]) x (id, entry)
    JOIN engagements_sentlately s ON s.profile_id = x.id
    CROSS JOIN LATERAL (
        SELECT ARRAY(
            SELECT ARRAY[d.run_id, d.transition_id] FROM engagements_delivery d
            WHERE d.profile_id = s.profile_id AND d.run_id = ANY(s.sends[:][5:5])
                AND d.state NOT IN {tuple(map(str, Delivery.MAYBE_SENT))}
        ) AS not_sent OFFSET 0
    ) ended
    CROSS JOIN LATERAL (
        SELECT c.number FROM unnest(%(since)s::bigint[], %(room)s::int[],
            %(channels)s::bigint[], %(segments)s::bigint[], %(engagements)s::bigint[])
            WITH ORDINALITY c (since, room, channel, segment_id, engagement_id, number)
        WHERE c.room <= (
            SELECT count(*) FROM generate_subscripts(s.sends, 1) n
            WHERE s.sends[n][1] >= c.since AND c.channel IN (0, s.sends[n][4])
                AND (c.segment_id IS NULL OR c.segment_id = s.sends[n][3])
                AND (c.engagement_id IS NULL OR c.engagement_id = s.sends[n][2])
                AND (ended.not_sent = '{{}}' OR NOT EXISTS (
                    SELECT FROM generate_subscripts(ended.not_sent, 1) e
                    WHERE ended.not_sent[e][1] = s.sends[n][5]
                        AND ended.not_sent[e][2] = s.sends[n][6]
                ))
        ) ORDER BY c.number LIMIT 1
    ) none
    -- Who has room taken for this delivery is asked under a lock; few have for the run.
    WHERE %(run)s <> ALL(s.sends[:][5:5]) OR NOT {SAME.format(entry="x.entry")}
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
        **_asked(asked),
        "people": copying.number_array(plain)
        if has_entries
        else copying.id_array(plain),
        "entries": copying.number_array(plain.values()) if has_entries else None,
        "begun": milliseconds(run.started_at) - MARGIN,
        "long": LONG * _WIDTH,
    }
    room = "".join(
        ROOM.format(most=room_under(asked, cap), since=_since(asked, cap))
        for cap in caps
        if engagement.heeds_caps
    )
    same = SAME.format(entry="excluded.sends[1][6]" if has_entries else 0)
    statement = OF_EACH if has_entries else OF_ALL
    with connection.cursor() as cursor:
        cursor.execute(statement.format(same=same, room=room), wanted)
        while cursor.nextset():
            pass
        found = dict(cursor.fetchall())
    at = found.pop(None)
    return set(found), at


def begin(asked: Asked, people: Collection[int], at: int) -> set[int]:
    """Take room for those of these people who have no list yet; return whose it is.

    At a time, in milliseconds, and without an entry; not for who has other names.
    """
    with connection.cursor() as cursor:
        wanted = {**_asked(asked), "people": copying.id_array(people), "at": at}
        cursor.execute(OF_NEW, wanted)
        return {id for (id,) in cursor.fetchall()}


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
        "since": [
            milliseconds(cap.begins(now, time_zones.zone_of(cap.time_zone, "UTC")))
            for cap in caps
        ],
        "room": [room_under(asked, cap) for cap in caps],
        "run": run.pk,
        "channels": [channel_number(cap.channel) for cap in caps],
        "segments": [cap.segment_id for cap in caps],
        "engagements": [cap.engagement_id for cap in caps],
    }
    with connection.cursor() as cursor:
        cursor.execute(NONE, wanted)
        return {id: caps[number - 1] for id, number in cursor.fetchall()}


def _asked(asked: Asked) -> dict[str, Any]:
    """What is added for each but the time."""
    assert asked.run is not None
    return {
        "engagement": asked.engagement.pk,
        "segment": asked.engagement.segment_id,
        "channel": channel_number(asked.channel),
        "run": asked.run.pk,
    }


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
