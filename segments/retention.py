"""What people did, and the messages that told us, are kept for a set time.

Rules see the events that are there: who is in a segment for something that they "ever"
did leaves it when the last such event goes.
"""

import time
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.db.models.signals import post_delete

from segments.membership import evaluation
from segments.membership.evaluation import Asked
from segments.models import LatestMessages, Profile, Replay

CHUNK = 2_000

# Ids grow with the time of receipt, so the oldest are found without an index for it.
OLDEST = """
    SELECT max(id) FROM (
        SELECT id, {clock} AS at FROM {table}
        WHERE id > %(last)s ORDER BY id LIMIT %(limit)s
    ) r WHERE at < %(before)s
"""
CHOSEN = """
    SELECT id FROM {table}
    WHERE id > %(last)s AND id <= %(until)s AND {clock} < %(before)s AND {condition}
    ORDER BY id FOR UPDATE SKIP LOCKED
"""
# In SQL: Django would take longer over the ids than PostgreSQL over the events.
WHO = """
    SELECT DISTINCT profile_id FROM segments_event WHERE id = ANY(%s) ORDER BY profile_id
"""
# Segments are locked before the events and memberships that are theirs, as whoever
# deletes a person or applies a message has them.
OLD_EVENTS = """
    SELECT id, name FROM segments_event
    WHERE id > %(last)s AND id <= %(until)s AND received_at < %(before)s
"""
UNNAME = tuple(
    f"UPDATE {table} SET event_id = NULL WHERE event_id = ANY(%s::bigint[])"
    for table in ("segments_membership", "segments_transition")
)
FORGET_EVENTS = """
    DELETE FROM segments_event WHERE profile_id = ANY(%s::bigint[]) RETURNING id
"""
DELETE_SEEN = """
    DELETE FROM segments_seen WHERE ctid = ANY(ARRAY(
        SELECT ctid FROM segments_seen
        WHERE day < (%(before)s AT TIME ZONE 'UTC')::date LIMIT %(limit)s
    ))
"""
DELETE_MINUTES = """
    DELETE FROM segments_intakeminute WHERE (minute, source_id) IN (
        SELECT minute, source_id FROM segments_intakeminute
        WHERE minute < %(before)s ORDER BY minute LIMIT %(limit)s
    )
"""

# Whoever asks of one keeps it (rules.long_lists), or makes it again.
DELETE_LISTS = """
    WITH old AS (
        SELECT id FROM segments_longlist WHERE used_at < %(before)s
        ORDER BY id LIMIT %(limit)s FOR UPDATE SKIP LOCKED
    ), gone AS (
        DELETE FROM segments_longlistvalue v USING old WHERE v.list_id = old.id
    )
    DELETE FROM segments_longlist l USING old WHERE l.id = old.id
"""

# Of these events' ids, those that somebody above still needs.
Needed = Callable[[list[int]], set[int]]


def clean_events(before: datetime, deadline: float, needed: Needed) -> int:
    """Delete the events that came in before a time; return how many.

    In chunks, until none is left or time.monotonic() is at `deadline`. Who did them is
    asked again by the rules that read them.
    """
    asked: list[Asked] = []
    kept: set[int] = set()
    people: list[int] = []

    def hold(bounds: Mapping[str, Any]) -> None:
        with connection.cursor() as cursor:
            cursor.execute(OLD_EVENTS, bounds)
            found: dict[int, str] = dict(cursor.fetchall())
        # Not with the locks: it takes its time where many wait to be sent to.
        kept.update(needed(list(found)))
        names = {name for id, name in found.items() if id not in kept}
        asked[:] = evaluation.lock_that_read(names)

    def chosen(ids: list[int]) -> list[int]:
        gone = sorted(set(ids) - kept)
        with connection.cursor() as cursor:
            cursor.execute(WHO, [gone])
            people[:] = [person for (person,) in cursor]
        _unname(gone)
        return gone

    def ask_again() -> None:
        evaluation.ask(asked, people)

    return _clean(
        "segments_event",
        "true",
        before,
        deadline,
        chosen,
        first=hold,
        afterwards=ask_again,
    )


def clean_seen(before: datetime, deadline: float) -> int:
    """Forget which messages were applied on the days before a time; return how many."""
    return _clean_days(DELETE_SEEN, before, deadline)


def clean_minutes(before: datetime, deadline: float) -> int:
    """Delete the counts of minutes before a time; return how many."""
    return _clean_days(DELETE_MINUTES, before, deadline)


def clean_long_lists(before: datetime, deadline: float) -> int:
    """Delete the long lists that no rule has asked of since a time; return how many."""
    return _clean_days(DELETE_LISTS, before, deadline)


def forget_events(profile_ids: Collection[int]) -> int:
    """Delete these people's events; return how many.

    Call it behind the DELETE of the people, in its transaction: whoever was writing an
    event of theirs has then ended, and nobody begins.
    """
    with connection.cursor() as cursor:
        cursor.execute(FORGET_EVENTS, [list(profile_ids)])
        gone = [id for (id,) in cursor.fetchall()]
    _unname(gone)
    return len(gone)


def connect() -> None:
    """Let a person's events go with them, however they are deleted by Django.

    Any of the sources' last messages may be theirs: all of these go.
    """
    post_delete.connect(
        _forget_one, sender=Profile, dispatch_uid="segments.retention.events"
    )


def _forget_one(instance: Profile, **kwargs: object) -> None:
    forget_events([instance.pk])
    LatestMessages.objects.exclude(messages=[]).update(messages=[])


def _unname(event_ids: Collection[int]) -> None:
    """Let nothing name these events any more, which are deleted by SQL.

    By whomever they were done: whose log names one may have become somebody else's.
    """
    with connection.cursor() as cursor:
        for statement in UNNAME:
            cursor.execute(statement, [list(event_ids)])


def clean_latest(before: datetime, deadline: float) -> int:
    """Forget the last messages of sources that have sent none since; return of how many."""
    old = LatestMessages.objects.filter(last_at__lt=before)
    return old.exclude(messages=[]).update(messages=[])


def clean_refused(before: datetime, deadline: float) -> int:
    """Delete the messages that were refused before a time; return how many.

    With them goes what is known of their being sent in again.
    """
    Replay.objects.filter(finished_at__lt=before).delete()
    return _clean("segments_refusedmessage", "true", before, deadline, list, clock="at")


def _clean(
    table: str,
    condition: str,
    before: datetime,
    deadline: float,
    choose: Callable[[list[int]], list[int]],
    clock: str = "received_at",
    first: Callable[[Mapping[str, Any]], None] = lambda bounds: None,
    afterwards: Callable[[], None] = lambda: None,
) -> int:
    """`first` is told the bounds of a chunk's ids, before any row is locked."""
    count = last = 0
    while time.monotonic() < deadline:
        bounds: dict[str, Any] = {"last": last, "limit": CHUNK, "before": before}
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(OLDEST.format(table=table, clock=clock), bounds)
            until = cursor.fetchone()[0]
            if until is None:
                break
            bounds["until"] = until
            first(bounds)
            cursor.execute(
                CHOSEN.format(table=table, clock=clock, condition=condition), bounds
            )
            ids = choose([id for (id,) in cursor])
            cursor.execute(f"DELETE FROM {table} WHERE id = ANY(%s)", [ids])
            afterwards()
        count += len(ids)
        last = until
    return count


def _clean_days(statement: str, before: datetime, deadline: float) -> int:
    count = 0
    while time.monotonic() < deadline:
        with connection.cursor() as cursor:
            cursor.execute(statement, {"before": before, "limit": CHUNK})
            gone = int(cursor.rowcount)
        count += gone
        if gone < CHUNK:
            break
    return count
