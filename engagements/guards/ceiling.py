"""How many people a run may take in before it stops and asks.

A chunk of people that would lead above the ceiling is not taken in at all: the
engagement is paused, with the numbers, and an Approver lets the run go on, or cancels
it. A standing run has no end: of it the people of a day are counted (P), by the calendar
of the engagement's zone, and to go on is to let in the rest of that day.
"""

from collections.abc import Mapping
from typing import Any

from django.db import connection, transaction

from engagements.models import Engagement, Run
from lemnisk_braze.lib.counted import counted

# Under the run's lock: whoever takes in people has it.
COUNT = """
    UPDATE engagements_run r
    SET taken_in = CASE WHEN r.is_standing AND r.taken_in_on IS DISTINCT FROM today.day
            THEN 0 ELSE r.taken_in END + %(people)s,
        may_exceed_ceiling = r.may_exceed_ceiling AND NOT (
            r.is_standing AND r.taken_in_on IS DISTINCT FROM today.day),
        taken_in_on = today.day, waits_at_ceiling = false
    FROM (SELECT (clock_timestamp() AT TIME ZONE %(time_zone)s)::date AS day) today
    WHERE r.id = %(run)s RETURNING r.taken_in, r.may_exceed_ceiling
"""

TODAY: Mapping[str, str] = {
    Engagement.Trigger.EACH_EVENT: "Today’s events",
    Engagement.Trigger.ON_EXIT: "Today’s exits",
}


class CeilingError(Exception):
    """The next people would be above the ceiling; nothing of them may be written."""

    def __init__(self, run_id: int, people: int, ceiling: int) -> None:
        super().__init__(f"{people:,} would be above {ceiling:,}.")
        self.run_id = run_id
        self.people = people
        self.ceiling = ceiling


def count(run_id: int, people: int, ceiling: int, time_zone: str) -> None:
    """Count people whom the run takes in, in the transaction that does so.

    Raises CeilingError: then that transaction is to be rolled back, and `stop` called.
    """
    taken, may_exceed = _count(run_id, people, time_zone)
    if taken > ceiling and not may_exceed:
        raise CeilingError(run_id, taken, ceiling)


def _count(run_id: int, people: int, time_zone: str) -> tuple[int, bool]:
    asked: dict[str, Any] = {"run": run_id, "people": people, "time_zone": time_zone}
    with connection.cursor() as cursor:
        cursor.execute(COUNT, asked)
        taken, may_exceed = cursor.fetchone()
    return taken, may_exceed


@transaction.atomic
def stop(error: CeilingError, waiting: int) -> None:
    """Pause the engagement before anybody above the ceiling is taken in.

    `waiting`: how many people the run has not taken in yet, those it would leave out
    included.
    """
    run = Run.objects.get(pk=error.run_id)
    # Before the run, as whoever cancels it takes them.
    engagement = Engagement.objects.select_for_update(no_key=True).get(
        pk=run.engagement_id
    )
    many = counted(waiting, "person waits", "people wait")
    whose = TODAY.get(run.trigger, "Today’s entries") if run.is_standing else "A run"
    reason = (
        f"{whose} would be more people than the ceiling of {error.ceiling:,} allows:"
        f" {many} to be taken in. None of them is, before somebody says “Go on”."
    )
    active, paused = Engagement.State.ACTIVE, Engagement.State.PAUSED
    if engagement.move([active], paused, reason):
        # Of a standing run it is this day's rest that somebody may let in.
        _count(run.pk, 0, engagement.time_zone)
        Run.objects.filter(pk=run.pk).update(waits_at_ceiling=True)


def waiting_run(engagement: Engagement) -> Run | None:
    """The run that stopped at the ceiling, while it may still go on."""
    if engagement.state != Engagement.State.PAUSED:
        return None
    runs = engagement.runs.filter(waits_at_ceiling=True, state__in=Run.OPEN)
    return runs.order_by("pk").first()


def lift(engagement: Engagement) -> bool:
    """Let what stopped at the ceiling go on; False where nothing did."""
    waiting = engagement.runs.filter(waits_at_ceiling=True, state__in=Run.OPEN)
    return bool(waiting.update(waits_at_ceiling=False, may_exceed_ceiling=True))
