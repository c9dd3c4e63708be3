"""Who is sent again: what an engagement says of it, kept where people become batches.

Asked is what was sent, or waits to be, in any run of the engagement, and not how often
somebody entered the segment. Asking and taking in are one step: under a lock that all
runs of the engagement share, and to the end of the transaction.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Exists, OuterRef

from engagements.audience import log_lines
from engagements.models import Batch, Delivery, Engagement
from lemnisk_braze.lib.time_limits import at_most

SENT = tuple(map(str, Delivery.MAYBE_SENT))
# Before these batches' deliveries go.
REMEMBER = f"""
    INSERT INTO engagements_sentbefore AS s (engagement_id, profile_id, sent_at)
    SELECT r.engagement_id, d.profile_id, max(d.updated_at)
    FROM engagements_batch b
    JOIN engagements_run r ON r.id = b.run_id AND r.engagement_id = ANY(%s)
    CROSS JOIN LATERAL unnest(b.profile_ids, b.transition_ids) m (profile_id, entry_id)
    JOIN engagements_delivery d ON d.profile_id = m.profile_id AND d.run_id = b.run_id
        AND d.transition_id = coalesce(m.entry_id, 0) AND d.batch_id = b.id
    WHERE b.id = ANY(%s) AND d.state IN {SENT}
    GROUP BY r.engagement_id, d.profile_id
    ON CONFLICT (profile_id, engagement_id) DO UPDATE
    SET sent_at = greatest(s.sent_at, excluded.sent_at)
"""
# Any number that nothing else in this database uses.
LOCK = 0x0A6A
_LOCK = "SELECT pg_advisory_xact_lock(%s, %s)"
_HAS_OTHER_RUNS = """
    SELECT EXISTS (SELECT FROM engagements_run WHERE engagement_id = %s AND id <> %s)
"""
# Since when a delivery speaks against another: for ever, or for so many days of the
# calendar where the engagement is.
SINCE = """coalesce((
        date_trunc('day', now() AT TIME ZONE %(time_zone)s)
        - make_interval(days => %(days)s::int - 1)
    ) AT TIME ZONE %(time_zone)s, '-infinity')"""
# Everybody by their own name, and by that of whoever was merged into them.
NAMES = """
    SELECT profile_id, profile_id AS name_id FROM offered
    UNION ALL
    SELECT merged_into_id, id FROM segments_profile
    WHERE merged_into_id IN (SELECT profile_id FROM offered)
"""
# Deliveries of the engagement that speak against another, or what is left of them; but
# for those that somebody has asked to try again.
_WERE_SENT = f"""
    SELECT n.profile_id FROM names n
    JOIN engagements_delivery d ON d.profile_id = n.name_id AND d.run_id = ANY(ARRAY(
        SELECT id FROM engagements_run WHERE engagement_id = %(engagement)s
    ))
    WHERE d.state IN {SENT} AND d.updated_at >= {SINCE} {{but}}
    UNION ALL
    SELECT n.profile_id FROM names n
    JOIN engagements_sentbefore s
        ON s.profile_id = n.name_id AND s.engagement_id = %(engagement)s
    WHERE s.sent_at >= {SINCE}
"""
_HELD = """
    FROM engagements_batch b
    JOIN engagements_run r ON r.id = b.run_id AND r.engagement_id = %(engagement)s
    CROSS JOIN LATERAL unnest(b.profile_ids) WITH ORDINALITY m (profile_id, place)
    WHERE m.place - 1 <> ALL(b.left_out)
"""
# Who waits in the engagement's open batches. They may be many, so they are looked at
# only for those who may be among them: in a standing run, of whom an earlier line is.
WAIT = f"""
    SELECT m.profile_id {_HELD}
      AND b.state IN ('pending', 'leased', 'sending', 'retry')
      AND EXISTS (SELECT FROM returning_people)
      AND (m.profile_id IN (SELECT profile_id FROM returning_people)) IS TRUE
"""
# Whoever waits under the name of who was merged into another is sent as that person.
BY_OTHER_NAMES = f"""
    SELECT m.profile_id {_HELD}
      AND b.state IN ('pending', 'leased', 'sending', 'retry')
      AND EXISTS (SELECT FROM names WHERE name_id <> profile_id)
"""
BY_ANOTHER_NAME = """
    SELECT profile_id FROM names WHERE name_id <> profile_id
      AND (name_id IN (SELECT profile_id FROM by_other_names)) IS TRUE
"""
# PostgreSQL knows nothing of how many are in these sets: written like this it can only
# look each up by hash.
_ALLOWED = f"""
    returning_people AS MATERIALIZED (
        SELECT profile_id FROM offered o
        WHERE transition_id IS NULL OR EXISTS (
            SELECT FROM segments_transition t
            WHERE t.profile_id = o.profile_id AND t.kind = ANY(%(kinds)s)
              AND t.id < o.transition_id
        )
    ), names AS MATERIALIZED ({NAMES}), were_sent AS MATERIALIZED ({_WERE_SENT}),
    by_other_names AS MATERIALIZED ({BY_OTHER_NAMES}),
    wait AS MATERIALIZED ({WAIT} UNION ALL {BY_ANOTHER_NAME}),
    allowed AS (
        SELECT DISTINCT ON (profile_id) * FROM offered o
        WHERE profile_id NOT IN (SELECT profile_id FROM were_sent)
          AND profile_id NOT IN (SELECT profile_id FROM wait)
        ORDER BY profile_id, place
    )
"""
# Of those in `offered` (as audience.FROM_ENTRIES has them) those who may be sent, once.
ALLOWED = _ALLOWED.format(but="")
# The same, where the deliveries %(ids)s are to be tried again.
ALLOWED_AGAIN = _ALLOWED.format(but="AND d.id <> ALL(%(ids)s)")
_OF_PEOPLE = f"""
    WITH offered AS MATERIALIZED (
        SELECT id AS profile_id, NULL::bigint AS transition_id, id AS place
        FROM ({{people}}) people (id)
    ), {ALLOWED}
"""
COUNT_ALLOWED = f"{_OF_PEOPLE} SELECT count(*) FROM allowed"
# For a whole segment: what PostgreSQL thinks is too much for its memory it does not look
# up by hash, but compares everybody with everybody.
MEMORY = "128MB"
# In milliseconds: so long somebody who is asked before an activation waits for a number.
PATIENCE = 4_000
ALLOWED_IDS = f"{_OF_PEOPLE} SELECT profile_id FROM allowed"


def lock(engagement_id: int) -> None:
    """Let nobody else take in people of the engagement until the transaction ends.

    What they took in is seen by the next statement.
    """
    with connection.cursor() as cursor:
        cursor.execute(_LOCK, [LOCK, engagement_id % 2**31])


def has_other_runs(engagement_id: int, run_id: int) -> bool:
    """Whether anybody can have been taken in by another run. Ask it under the lock."""
    with connection.cursor() as cursor:
        cursor.execute(_HAS_OTHER_RUNS, [engagement_id, run_id])
        return bool(cursor.fetchone()[0])


def parameters(engagement: Engagement) -> dict[str, Any]:
    """What the statements above ask for."""
    is_after_days = engagement.sent_again == Engagement.Again.AFTER_DAYS
    return {
        "engagement": engagement.pk,
        "kinds": list(log_lines.kinds(engagement.trigger)),
        "time_zone": engagement.time_zone,
        "days": engagement.again_after_days if is_after_days else None,
    }


def is_guarded(engagement: Engagement) -> bool:
    """Whether there is anything to ask before somebody is sent again."""
    return engagement.sent_again != Engagement.Again.ALWAYS


@transaction.atomic
def count_allowed(engagement: Engagement, people: str, params: dict[str, Any]) -> int:
    """How many of the people, a query of their ids, would be sent if they came now."""
    asked = {**params, **parameters(engagement)}
    with connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL work_mem = '{MEMORY}'")
        cursor.execute(COUNT_ALLOWED.format(people=people), asked)
        count = int(cursor.fetchone()[0])
        cursor.execute("SET LOCAL work_mem TO DEFAULT")
    return count


def allowed_people(engagement: Engagement, people: str) -> tuple[str, dict[str, Any]]:
    """Those of the people, a query of their ids, who would be sent if they came now.

    A query again, and the parameters that it has besides.
    """
    return ALLOWED_IDS.format(people=people), parameters(engagement)


def remember(batch_ids: Sequence[int]) -> None:
    """Keep whom these batches were sent to, where that decides about another time.

    Call it in the transaction that deletes their deliveries.
    """
    guarded = [one.pk for one in Engagement.objects.all() if is_guarded(one)]
    with connection.cursor() as cursor:
        cursor.execute(REMEMBER, [guarded, list(batch_ids)])


def forgotten(engagement: Engagement, was: str) -> str:
    """What a change of `sent_again` from `was` cannot heed; "" where all is known.

    Of an engagement that sends every time nobody is remembered when deliveries go.
    """
    kept = settings.RETENTION_DELIVERIES
    days = timedelta(days=engagement.again_after_days or 0)
    is_after_days = engagement.sent_again == Engagement.Again.AFTER_DAYS
    if was != Engagement.Again.ALWAYS or not is_guarded(engagement):
        return ""
    if is_after_days and days <= kept:
        return ""
    first = Batch.objects.filter(run=OuterRef("pk"), sequence=0)
    if not engagement.runs.filter(~Exists(first), next_sequence__gt=0).exists():
        return ""
    return (
        "Its oldest deliveries are deleted: whom it sent to then, and not since, is not"
        " known any more, and is sent to once more."
    )


def members_left_out(engagement: Engagement) -> int | None:
    """How many of the segment's people an activation leaves out: they were sent.

    None where counting them takes too long.
    """
    if not is_guarded(engagement) or not engagement.runs.exists():
        return 0
    members = (
        "SELECT profile_id FROM segments_membership WHERE segment_id = %(segment)s"
    )
    params: dict[str, Any] = {"segment": engagement.segment_id}
    left_out: int | None = None
    with at_most(PATIENCE):
        count = engagement.segment.memberships.count()
        left_out = max(count - count_allowed(engagement, members, params), 0)
    return left_out


def in_words(engagement: Engagement) -> str:
    """What happens when somebody would be sent again, as a sentence without a stop."""
    match engagement.sent_again:
        case Engagement.Again.ONCE:
            return "Each person once"
        case Engagement.Again.AFTER_DAYS:
            days = engagement.again_after_days or 0
            every = "a day" if days == 1 else f"in {days:,} days"
            return f"Each person at most once {every}"
        case _:
            return "Each person every time"
