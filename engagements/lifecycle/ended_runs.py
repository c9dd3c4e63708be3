"""A run that ended badly is as loud as an engagement that was stopped for it.

Whoever sends to everybody in a second has ended before anyone could pause it.
"""

from django.db.models import Count, QuerySet

from engagements.guards.reasons import AS_WISHED, WISHED
from engagements.lifecycle import auto_pause
from engagements.models import Delivery, Engagement, Run
from engagements.reporting import progress, reports
from lemnisk_braze.lib.counted import counted

State = Delivery.State
# Of all the run's people; of a thousand and more the share that pauses is enough.
MOSTLY = 0.5
FAILED = (State.REJECTED, State.DEAD, State.SKIPPED)
ADVICE = "The report says why. Correct the cause, then try again who failed."


def judge() -> int:
    """Judge the runs that have ended since; return how many mostly failed."""
    ended = Run.objects.filter(is_end_judged=False, ended_at__isnull=False)
    runs = ended.filter(state__in=Run.COMPLETED).select_related("engagement")
    return sum(_judge(run) for run in runs.order_by("pk"))


def _judge(run: Run) -> bool:
    problem = _problem(run)
    mine = Run.objects.filter(pk=run.pk, is_end_judged=False, state__in=Run.COMPLETED)
    if not mine.update(is_end_judged=True, failure=problem):
        return False
    # What stopped it is said already; and only the last run says how it is.
    its = Engagement.objects.filter(
        pk=run.engagement_id,
        state__in=[Engagement.State.ACTIVE, Engagement.State.ENDED],
    )
    if problem:
        its.update(blocked_reason=f"{problem} {ADVICE}", is_notice_due=True)
    else:
        its.update(blocked_reason="")
    return bool(problem)


def _problem(run: Run) -> str:
    """Why the run is to be named; "" where it went well enough."""
    tallies = run.batches.tallies()
    skips = tallies[run.pk].skips
    left = sum(n for code, n in skips.items() if code in WISHED)
    refused = Delivery.objects.filter(run=run, state__in=auto_pause.REFUSED)
    if left == skips.total() and not refused.exists():
        return ""
    failed = auto_pause.people(_failed(run))
    repeats = _failed(run).count() - failed
    people = progress.of([run], tallies)[run.pk].finished - left - repeats
    is_much = people >= auto_pause.PEOPLE and (
        auto_pause.people_who_failed(run) > auto_pause.SHARE * people
    )
    if not failed or (failed <= MOSTLY * people and not is_much):
        return ""
    states = _failed(run).order_by().values_list("state")
    counts = dict(states.annotate(n=Count("profile", distinct=True)))
    each = ", ".join(
        f"{counts[state]:,} {state.label.lower()}"
        for state in FAILED
        if state in counts
    )
    beside = ""
    if left:
        who = counted(left, "who was", "who were")
        beside = f", beside {who} left out as wished,"
    return (
        f"{failed:,} of {counted(people, 'person', 'people')} in the run of"
        f" {run.scheduled_for:%-d %B %Y}{beside} {'was' if failed == 1 else 'were'} not sent: {each}.{_reason(run)}"
    )


def _failed(run: Run) -> QuerySet[Delivery]:
    return Delivery.objects.filter(run=run, state__in=FAILED).exclude(AS_WISHED)


def _reason(run: Run) -> str:
    """What most of them have in common, in the words of the other side."""
    most = (
        _failed(run)
        .exclude(reason="")
        .order_by()
        .values_list("reason")
        .annotate(n=Count("pk"))
        .order_by("-n")
        .first()
    )
    if most is None:
        return ""
    words = reports.reason_in_words(most[0]).rstrip(".")[:300]
    return f" Mostly because: {words}."
