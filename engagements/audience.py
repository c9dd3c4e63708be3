"""From a segment's people to deliveries in batches, by set operations."""

from collections.abc import Iterable
from datetime import datetime

from django.db import connection, transaction
from django.db.models import F

from engagements import runs
from engagements.models import Engagement, Run
from externalapi.definition import compile_version
from segments.models import Event, Profile, Segment

# People taken in by one transaction: 100 full batches.
CHUNK = 7_500

# Both fill `audience` (profile, event, transition, number from 0) for the rest.
FROM_MEMBERS = """
    SELECT profile_id, event_id, 0::bigint AS transition_id, profile_id AS place
    FROM segments_membership
    WHERE segment_id = %(segment)s AND profile_id > %(cursor)s
      AND since <= %(started_at)s
    ORDER BY profile_id LIMIT %(chunk)s
"""
FROM_ENTRIES = """
    SELECT profile_id, event_id, id AS transition_id, id AS place
    FROM segments_transition
    WHERE segment_id = %(segment)s AND kind = 'entry' AND id > %(cursor)s
    ORDER BY id LIMIT %(chunk)s
"""
INSERT_DELIVERIES = """
    WITH audience AS (
        SELECT *, (row_number() OVER (ORDER BY place) - 1)::int AS n FROM ({people}) p
    ), batches AS (
        INSERT INTO engagements_batch (run_id, sequence, state)
        SELECT %(run)s, %(sequence)s + n / %(size)s, 'pending'
        FROM audience GROUP BY n / %(size)s
        RETURNING id, sequence
    ), deliveries AS (
        INSERT INTO engagements_delivery
            (run_id, profile_id, event_id, transition_id, batch_id, position, state)
        SELECT %(run)s, a.profile_id, a.event_id, a.transition_id, b.id,
               n %% %(size)s, 'pending'
        FROM audience a JOIN batches b ON b.sequence = %(sequence)s + n / %(size)s
    )
    SELECT count(*), max(place) FROM audience
"""


def expand(run_ids: Iterable[int]) -> int:
    """Take in one chunk of people for each of the runs; return how many in all.

    A run whose External API cannot be read fails by itself and stops no other.
    """
    count = 0
    for run_id in run_ids:
        try:
            count += _expand_chunk(run_id)
        except ValueError as e:
            runs.fail(run_id, str(e))
    return count


def expandable_runs() -> list[int]:
    """Runs of active engagements that may have people to take in."""
    expanding = Run.objects.filter(state=Run.State.EXPANDING)
    standing = Run.objects.filter(state=Run.State.SENDING, is_standing=True)
    active = Engagement.State.ACTIVE
    return list(
        (expanding | standing)
        .filter(engagement__state=active)
        .values_list("pk", flat=True)
    )


@transaction.atomic
def _expand_chunk(run_id: int) -> int:
    run = _locked(run_id)
    if run is None or run.state not in Run.OPEN:
        return 0
    size = compile_version(run.version).people_per_request
    with connection.cursor() as cursor:
        people = FROM_ENTRIES if run.is_standing else FROM_MEMBERS
        cursor.execute(INSERT_DELIVERIES.format(people=people), _parameters(run, size))
        count, place = cursor.fetchone()
    if count:
        batches = -(-count // size)
        Run.objects.filter(pk=run_id).update(
            expansion_cursor=place, next_sequence=F("next_sequence") + batches
        )
    elif not run.is_standing:
        Run.objects.filter(pk=run_id).update(state=Run.State.SENDING)
    return int(count)


def _locked(run_id: int) -> Run | None:
    """The run under its lock; None where another worker is taking in its people.

    For a standing run the lock is waited for: whoever holds it may have read the log
    just before the entry that this wake-up is about.
    """
    runs_too = Run.objects.select_related("engagement", "version__external_api")
    standing = runs_too.select_for_update(of=("self",), no_key=True)
    others = runs_too.select_for_update(of=("self",), no_key=True, skip_locked=True)
    return (
        standing.filter(pk=run_id, is_standing=True).first()
        or others.filter(pk=run_id, is_standing=False).first()
    )


def _parameters(run: Run, size: int) -> dict[str, int | datetime]:
    return {
        "segment": run.engagement.segment_id,
        "cursor": run.expansion_cursor,
        "started_at": run.started_at,
        "run": run.pk,
        "sequence": run.next_sequence,
        "size": size,
        "chunk": max(CHUNK // size, 1) * size,
    }


def profile_values(profile: Profile) -> dict[str, object]:
    """What `profile` means in a personalization variable."""
    return {
        **profile.attributes,
        "external_id": profile.external_id or None,
        "email": profile.email or None,
        "phone": profile.phone or None,
    }


def event_values(event: Event | None) -> dict[str, object]:
    """What `event` means; nothing where no event brought the person in."""
    if event is None:
        return {}
    return {
        "name": event.name,
        "time": event.time,
        "properties": event.properties,
        "message_id": event.message_id,
    }


def context(
    *,
    profile: Profile,
    event: Event | None,
    segment: Segment,
    engagement_name: str,
    engagement_id: int | None,
    now: datetime,
) -> dict[str, object]:
    """What personalization variables of one person are looked up in."""
    return {
        "profile": profile_values(profile),
        "event": event_values(event),
        "segment": {"name": segment.name, "id": segment.pk},
        "engagement": {"name": engagement_name, "id": engagement_id},
        "now": now,
    }
