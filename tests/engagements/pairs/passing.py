"""Time passes: whatever was written down happened so much longer ago."""

import json
from datetime import timedelta
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection

from engagements.guards import approved
from engagements.models import Approval, Engagement, Run

# Where a moment is kept: table → columns.
MOMENTS = {
    "engagements_engagement": ("starts_at", "activated_at", "schedule_set_at"),
    "engagements_run": ("scheduled_for", "started_at", "ended_at"),
    "engagements_batch": ("next_attempt_at", "created_at", "written_at"),
    "engagements_delivery": ("updated_at",),
    "engagements_attempt": ("started_at",),
    "engagements_takenin": ("last_at",),
    "engagements_sentlately": ("last_at",),
    "engagements_sentbefore": ("sent_at",),
    "engagements_approval": ("asked_at", "answered_at"),
    "segments_transition": ("at",),
    "segments_membership": ("since",),
}
_READING = 'YYYY-MM-DD"T"HH24:MI:SS.US'
# A slot is known by a reading of the clock, of what runs once after a word.
SLOTS = f"""
    UPDATE engagements_run SET slot = CASE
        WHEN slot LIKE 'once %%' THEN 'once ' || to_char(
            left(substr(slot, 6), 26)::timestamp - %(by)s, '{_READING}"Z"')
        WHEN slot LIKE '%%Z' THEN to_char(left(slot, 26)::timestamp - %(by)s,
            '{_READING}"Z"')
        ELSE to_char(slot::timestamp - %(by)s, '{_READING}') END
    WHERE slot <> '' {{and}}
"""
OWN_ZONES = f"""
    UPDATE engagements_run SET own_zone = own_zone || jsonb_build_object(
        'reading', to_char((own_zone->>'reading')::timestamp - %(by)s, '{_READING}'),
        'not_before', (own_zone->>'not_before')::timestamptz - %(by)s)
    WHERE own_zone IS NOT NULL
"""
TAKEN_IN = """
    UPDATE engagements_takenin SET times = ARRAY(SELECT x - %(by)s FROM unnest(times) x)
"""
SENT_LATELY = """
    UPDATE engagements_sentlately SET sends = (
        SELECT array_agg(
            ARRAY[sends[n][1] - (extract(epoch FROM %(by)s::interval) * 1000)::bigint]
                || ARRAY(SELECT unnest(sends[n:n][2:])) ORDER BY n)
        FROM generate_subscripts(sends, 1) n)
    WHERE sends <> '{}'
"""
CLOCKS = """
    UPDATE engagements_engagement
    SET quiet_from = quiet_from - %(by)s::interval, quiet_to = quiet_to - %(by)s::interval,
        -- Workers keep what an engagement was when it was last changed.
        updated_at = clock_timestamp(), month_day = CASE WHEN month_day IS NOT NULL
            THEN extract(day FROM starts_at AT TIME ZONE 'UTC') END
"""
DAYS = """
    UPDATE engagements_run SET taken_in_on = taken_in_on - 1
    WHERE %(by)s::interval > interval '12 hours'
"""
# What is moved of an engagement, and pinned by who approves it.
PINNED = ("starts_at", "quiet_from", "quiet_to", "month_day", "cron")
DAY = timedelta(days=1)


def let_pass(by: timedelta) -> None:
    """Whole minutes; of more than twelve hours it is another day."""
    asked: dict[str, Any] = {"by": by}
    with connection.cursor() as cursor:
        for table, columns in MOMENTS.items():
            moved = ", ".join(f"{name} = {name} - %(by)s" for name in columns)
            cursor.execute(f"UPDATE {table} SET {moved}", asked)
        for statement in (SLOTS.format(**{"and": ""}), OWN_ZONES, TAKEN_IN, SENT_LATELY, CLOCKS, DAYS):  # fmt: skip
            cursor.execute(statement, asked)
    for engagement in Engagement.objects.exclude(cron=""):
        minute, rest = engagement.cron.split(" ", 1)
        minute = str((int(minute) - by // timedelta(minutes=1)) % 60)
        Engagement.objects.filter(pk=engagement.pk).update(cron=f"{minute} {rest}")
    _move_approved()


def let_pass_for(engagement: Engagement, by: timedelta) -> None:
    """The schedule of one began so much earlier, and so did its runs."""
    engagement.refresh_from_db()
    assert engagement.starts_at and engagement.activated_at
    Engagement.objects.filter(pk=engagement.pk).update(
        starts_at=engagement.starts_at - by, activated_at=engagement.activated_at - by
    )
    for run in Run.objects.filter(engagement=engagement):
        Run.objects.filter(pk=run.pk).update(scheduled_for=run.scheduled_for - by)
    with connection.cursor() as cursor:
        own = SLOTS.format(**{"and": "AND engagement_id = %(engagement)s"})
        asked: dict[str, Any] = {"by": by, "engagement": engagement.pk}
        cursor.execute(own, asked)
    _move_approved()


def _move_approved() -> None:
    """What was approved is what has been moved; any other difference is kept."""
    stored = list(Engagement.objects.values("pk", *PINNED))
    plain = json.loads(json.dumps(stored, cls=DjangoJSONEncoder))
    moved = {one.pop("pk"): one for one in plain}
    answered = list(Approval.objects.all())
    for one in answered:
        pinned = one.content["fields"]
        pinned |= {n: v for n, v in moved[one.engagement_id].items() if n in pinned}
        one.digest = approved.digest(one.content)
    Approval.objects.bulk_update(answered, ["content", "digest"])
