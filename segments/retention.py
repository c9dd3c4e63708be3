"""What people did, and the messages that told us, are kept for a set time.

Rules see the events that are there: who is in a segment for something that they "ever"
did leaves it when the last such event goes.
"""

import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.db import connection, transaction

from segments.membership import evaluation
from segments.models import Event, Membership, Transition

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

# Of these events' ids, those that somebody above still needs.
Needed = Callable[[list[int]], set[int]]


def clean_events(before: datetime, deadline: float, needed: Needed) -> int:
    """Delete the events that came in before a time; return how many.

    In chunks, until none is left or time.monotonic() is at `deadline`. Who did them is
    asked again by the rules that read them.
    """
    who: list[tuple[int, str]] = []

    def chosen(ids: list[int]) -> list[int]:
        gone = sorted(set(ids) - needed(ids))
        who[:] = Event.objects.filter(pk__in=gone).values_list("profile_id", "name")
        # SQL's DELETE knows nothing of on_delete.
        Membership.objects.filter(event__in=gone).update(event=None)
        Transition.objects.filter(event__in=gone).update(event=None)
        return gone

    def ask_again() -> None:
        people, names = {person for person, _ in who}, {name for _, name in who}
        evaluation.evaluate((), people, names)

    return _clean(
        "segments_event", "true", before, deadline, chosen, afterwards=ask_again
    )


def clean_inbox(before: datetime, deadline: float) -> int:
    """Delete the messages that came in before a time and are applied; return how many."""
    table = "segments_inboxmessage"
    return _clean(table, "applied_at IS NOT NULL", before, deadline, list)


def clean_refused(before: datetime, deadline: float) -> int:
    """Delete the messages that were refused before a time; return how many."""
    return _clean("segments_refusedmessage", "true", before, deadline, list, clock="at")


def _clean(
    table: str,
    condition: str,
    before: datetime,
    deadline: float,
    choose: Callable[[list[int]], list[int]],
    clock: str = "received_at",
    afterwards: Callable[[], None] = lambda: None,
) -> int:
    count = last = 0
    while time.monotonic() < deadline:
        bounds: dict[str, Any] = {"last": last, "limit": CHUNK, "before": before}
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(OLDEST.format(table=table, clock=clock), bounds)
            until = cursor.fetchone()[0]
            if until is None:
                break
            cursor.execute(
                CHOSEN.format(table=table, clock=clock, condition=condition),
                {**bounds, "until": until},
            )
            ids = choose([id for (id,) in cursor])
            cursor.execute(f"DELETE FROM {table} WHERE id = ANY(%s)", [ids])
            afterwards()
        count += len(ids)
        last = until
    return count
