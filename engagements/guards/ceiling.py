"""How many people a run may take in before it stops and asks.

A chunk of people that would lead above the ceiling is not taken in at all: the
engagement is paused, with the numbers, and an Approver lets the run go on, or cancels
it. A standing run has no end: of it the people of a day are counted (P), by the calendar
of the engagement's zone, and to go on is to let in the rest of that day.

It stops in the same way above what a second person has approved (guards.approved), and
then waits for that.
"""

from collections.abc import Mapping
from typing import Any

from django.db import connection, transaction

from engagements.guards import approved
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

    def __init__(self, run_id: int, people: int, most: int) -> None:
        super().__init__(f"{people:,} would be above {most:,}.")
        self.run_id = run_id
        self.people = people
        self.most = most


class NotApprovedError(CeilingError):
    """They would be more than a second person has approved, which is `most`."""


def count(
    run_id: int, people: int, ceiling: int | None, above: int | None, time_zone: str
) -> None:
    """Count people whom the run takes in, in the transaction that does so.

    `above`: the number above which a second person approves (approved.limit). Raises
    CeilingError: then that transaction is to be rolled back, and `stop` called.
    """
    taken, may_exceed = _count(run_id, people, time_zone)
    check_approval(run_id, taken, above)
    if ceiling is not None and taken > ceiling and not may_exceed:
        raise CeilingError(run_id, taken, ceiling)


def check_approval(run_id: int, people: int, above: int | None) -> None:
    """Raise NotApprovedError where a run of so many people is not approved."""
    if above is None or people <= above:
        return
    most = _allowance(run_id)
    if most is not None and people > most:
        raise NotApprovedError(run_id, people, most)


def _allowance(run_id: int) -> int | None:
    run = Run.objects.select_related("engagement").get(pk=run_id)
    # A standing run has the engagement's values, or is about to.
    return approved.allowance(run.engagement, None if run.is_standing else run)


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
    needs_approval = isinstance(error, NotApprovedError)
    if needs_approval and _is_approved(error):
        # By somebody who was at it when the run was counted.
        return
    whose = TODAY.get(run.trigger, "Today’s entries") if run.is_standing else "A run"
    words = _not_approved if needs_approval else _above_ceiling
    active, paused = Engagement.State.ACTIVE, Engagement.State.PAUSED
    if engagement.move([active], paused, words(whose, error, waiting)):
        # Of a standing run it is this day's rest that somebody may let in.
        _count(run.pk, 0, engagement.time_zone)
        Run.objects.filter(pk=run.pk).update(waits_at_ceiling=True)
        if needs_approval:
            approved.request(engagement, error.people, run=run)


def _is_approved(error: CeilingError) -> bool:
    most = _allowance(error.run_id)
    return most is None or error.people <= most


def _above_ceiling(whose: str, error: CeilingError, waiting: int) -> str:
    many = counted(waiting, "person waits", "people wait")
    return (
        f"{whose} would be more people than the ceiling of {error.most:,} allows:"
        f" {many} to be taken in. None of them is, before somebody says “Go on”."
    )


def _not_approved(whose: str, error: CeilingError, waiting: int) -> str:
    many = counted(waiting, "person waits", "people wait")
    people = counted(error.people, "person", "people")
    return (
        f"{whose} would be {people}: above {error.most:,} a second person must approve."
        f" {many} to be taken in. None of them is, before that."
    )


def waiting_run(engagement: Engagement) -> Run | None:
    """The run that stopped at the ceiling, while it may still go on."""
    if engagement.state != Engagement.State.PAUSED:
        return None
    runs = engagement.runs.filter(waits_at_ceiling=True, state__in=Run.OPEN)
    return runs.order_by("pk").first()


def ask_no_more(engagement: Engagement) -> None:
    """Take back what its runs ask: it is resumed, and who is above it still asks anew."""
    engagement.runs.filter(waits_at_ceiling=True).update(waits_at_ceiling=False)


def lift(engagement: Engagement) -> bool:
    """Let what stopped at the ceiling go on; False where nothing did.

    Above what is approved it stops again.
    """
    waiting = engagement.runs.filter(waits_at_ceiling=True, state__in=Run.OPEN)
    return bool(waiting.update(waits_at_ceiling=False, may_exceed_ceiling=True))
