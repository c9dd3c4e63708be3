"""Activate, pause, resume, end; and a person's decision about what is uncertain."""

from collections.abc import Iterable

from django.db import connection, transaction
from django.db.models.functions import Now

from engagements import wakeup
from engagements.guards import approved, ceiling
from engagements.lifecycle import again_lines, completion
from engagements.models import PEOPLE_LEFT, Batch, Delivery, Engagement, Run
from engagements.outbox import delivery_records
from engagements.personalization.renderer import compile_recipe
from engagements.schedules import making, years
from engagements.variants import plan
from externalapi.models import ExternalAPI
from externalapi.testing import cases
from lemnisk_braze.lib import database_clock
from lemnisk_braze.lib.logs import after_commit, get_logger
from segments.models import Segment

logger = get_logger(__name__)

State = Engagement.State
# Written in such a way that the planner does not walk back through everybody's log.
LAST_TRANSITION = """
    SELECT coalesce(max(last.id), 0)
    FROM unnest(ARRAY['entry', 'exit', 'again']) one (kind)
    LEFT JOIN LATERAL (
        SELECT t.id FROM segments_transition t
        WHERE t.segment_id = ANY(ARRAY[%s]::bigint[]) AND t.kind = one.kind
        ORDER BY t.segment_id DESC, t.kind DESC, t.id DESC LIMIT 1
    ) last ON true
"""


class ActivationError(Exception):
    """The engagement cannot be activated; the text says what to do, `url` where.

    `link` is what leads there.
    """

    def __init__(
        self, message: str, url: str = "", link: str = "Show what is missing"
    ) -> None:
        super().__init__(message)
        self.url = url
        self.link = link


def people_affected(engagement: Engagement) -> int:
    """How many people an activation sends to at once."""
    if not engagement.listens or engagement.takes_present:
        return engagement.segment.memberships.count()
    return 0


@transaction.atomic
def activate(engagement: Engagement) -> None:
    """Start an engagement; raise ActivationError when it cannot be.

    One that listens takes in the lines of the log that commit after this.
    """
    _lock(engagement)
    _check(engagement)
    if not go_live(engagement, [State.DRAFT, State.ENDED]):
        raise ActivationError("It is active already, or waits for Resume.")
    engagement.activated_at = database_clock.now()
    engagement.save(update_fields=["activated_at"])
    if engagement.listens:
        _start_standing_run(engagement)
    else:
        making.make_due_run(engagement, engagement.activated_at)
    transaction.on_commit(wakeup.publish)


def go_live(engagement: Engagement, states: Iterable[str]) -> bool:
    """Become active; False where it is in none of these states.

    The one way there, whoever asks; call it in a transaction. Raises ActivationError
    where its version has not passed the test cases that its External API must pass.
    """
    _lock(engagement)
    if reason := cases.why_not(engagement.version):
        raise ActivationError(reason, cases.url(engagement.version))
    if not engagement.move(states, State.ACTIVE):
        return False
    # What somebody asked for is done.
    approved.close(engagement)
    return True


def _lock(engagement: Engagement) -> None:
    """Read it as it is now, whatever the caller read; nobody changes it meanwhile."""
    locked = Engagement.objects.select_for_update(no_key=True)
    engagement.refresh_from_db(from_queryset=locked)


def _check(engagement: Engagement) -> None:
    is_schedule = engagement.trigger == Engagement.Trigger.SCHEDULE
    if is_schedule and (problem := years.problem(engagement)):
        raise ActivationError(problem)
    # Locked, so that nobody archives either meanwhile (externalapi.definitions.archive,
    # segments.life.states).
    apis = ExternalAPI.objects.select_for_update(of=("self",), no_key=True)
    if apis.get(pk=engagement.version.external_api_id).archived_at:
        raise ActivationError(
            f"The External API “{engagement.version.external_api}” is archived."
            " Unarchive it first."
        )
    excluded = set(engagement.exclusions.values_list("segment_id", flat=True))
    locked = Segment.objects.select_for_update(no_key=True).order_by("pk")
    needed = locked.filter(pk__in={engagement.segment_id, *excluded})
    segments = {one.pk: one for one in needed}
    for one in (segments[pk] for pk in sorted(excluded)):
        if one.archived_at or one.refreshed_at is None:
            raise ActivationError(
                f"The excluded segment “{one}” has not been counted yet, or is archived:"
                " nobody would be kept out by it."
            )
    segment = segments[engagement.segment_id]
    if not segment.is_active:
        raise ActivationError(
            f"The segment “{segment}” is not live: it is {segment.state.label.lower()}."
            " Make it live first."
        )
    if not engagement.version.connection.key_encrypted:
        raise ActivationError(
            f"The connection “{engagement.version.connection}” has no key yet."
            " Ask an engineer to set it."
        )
    try:
        compile_recipe(engagement.version, engagement.values, plan.of(engagement))
    except ValueError as e:
        raise ActivationError(f"Configure Parameters first: {e}") from e


def _start_standing_run(engagement: Engagement) -> None:
    # Under the segment's lock nobody is entering: each person is either in the segment
    # now or has an entry after this cursor, never both, never neither.
    again_lines.settle(engagement.segment_id)
    assert engagement.activated_at is not None
    _make_run(engagement, is_standing=True, cursor=_last_transition(engagement))
    if engagement.takes_present:
        _make_run(engagement, is_standing=False, cursor=0)


def _make_run(engagement: Engagement, *, is_standing: bool, cursor: int) -> Run:
    run = Run.objects.create(
        engagement=engagement,
        version_id=engagement.version_id,
        values=engagement.values,
        variants=engagement.variants,
        scheduled_for=database_clock.now(),
        state=Run.State.SENDING if is_standing else Run.State.EXPANDING,
        is_standing=is_standing,
        trigger=engagement.trigger if is_standing else "",
        expansion_cursor=cursor,
    )
    after_commit(
        logger.info,
        "run.started",
        run_id=run.pk,
        engagement_id=engagement.pk,
        is_standing=is_standing,
    )
    return run


def _last_transition(engagement: Engagement) -> int:
    """Read from the log's own index, an end for each kind, however long the log is."""
    with connection.cursor() as cursor:
        cursor.execute(LAST_TRANSITION, [engagement.segment_id])
        return int(cursor.fetchone()[0])


def pause(engagement: Engagement) -> bool:
    """Start no new request; what is on the wire ends. False: it was not active."""
    return engagement.move([State.ACTIVE], State.PAUSED)


@transaction.atomic
def resume(engagement: Engagement) -> bool:
    """Go on, with the values as they are now; entries made meanwhile follow.

    False: it did not wait for that. Raises ActivationError as go_live does, and where a
    second person must approve first.
    """
    _lock(engagement)
    if engagement.state in (State.PAUSED, State.BLOCKED):
        _check_approval(engagement)
    if not go_live(engagement, [State.PAUSED, State.BLOCKED]):
        return False
    ceiling.ask_no_more(engagement)
    renew_standing_run(engagement)
    transaction.on_commit(wakeup.publish)
    return True


def _check_approval(engagement: Engagement) -> None:
    if reason := approved.why_not_resume(engagement):
        asked = approved.waiting(engagement)
        url = asked.get_absolute_url() if asked else ""
        raise ActivationError(reason, url, "Open what waits for approval")


@transaction.atomic
def go_on(engagement: Engagement) -> bool:
    """Let the run that stopped at the ceiling take in the rest; False where none did.

    Raises ActivationError as go_live does.
    """
    _lock(engagement)
    return ceiling.lift(engagement) and resume(engagement)


def resume_or_say(engagement: Engagement) -> bool:
    """Resume where nobody looks on: one that may not go live keeps the reason."""
    try:
        return resume(engagement)
    except ActivationError as e:
        Engagement.objects.filter(
            pk=engagement.pk, state__in=[State.PAUSED, State.BLOCKED]
        ).update(blocked_reason=str(e), blocked_key_version=None, is_notice_due=True)
        return False


def renew_standing_run(engagement: Engagement) -> None:
    """A run keeps its version, values and variants: changed ones get a run of their own."""
    run = (
        Run.objects.select_for_update()
        .filter(engagement=engagement, is_standing=True, state__in=Run.OPEN)
        .first()
    )
    if run is None:
        return
    if _pinned(run) == _pinned(engagement):
        return
    Run.objects.filter(pk=run.pk).update(is_standing=False)
    made = _make_run(engagement, is_standing=True, cursor=run.expansion_cursor)
    # The day's ceiling is that of both.
    Run.objects.filter(pk=made.pk).update(
        taken_in=run.taken_in,
        taken_in_on=run.taken_in_on,
        may_exceed_ceiling=run.may_exceed_ceiling,
    )


def _pinned(what: Run | Engagement) -> tuple[object, ...]:
    """What a run keeps of its engagement."""
    return what.version_id, what.values, what.variants


@transaction.atomic
def end(engagement: Engagement) -> bool:
    """Stop for good: what was not sent is cancelled. False: it had ended already."""
    states = [State.ACTIVE, State.PAUSED, State.BLOCKED]
    if not engagement.move(states, State.ENDED):
        return False
    approved.close(engagement)
    if engagement.trigger == Engagement.Trigger.EACH_EVENT:
        # Before the batches, as whoever erases somebody has them.
        again_lines.settle(engagement.segment_id)
    for run in Run.objects.filter(engagement=engagement, state__in=Run.OPEN):
        cancel(run)
    return True


@transaction.atomic
def cancel(run: Run) -> bool:
    """Cancel what a run has not sent; False when it is over already."""
    # Waits for those who are just writing down what they are about to send.
    engagement = Engagement.objects.select_for_update(no_key=True).get(
        pk=run.engagement_id
    )
    moved = Run.objects.filter(pk=run.pk, state__in=Run.OPEN).update(
        state=Run.State.CANCELLED, is_standing=False, ended_at=Now()
    )
    if not moved:
        return False
    approved.close(engagement, run)
    completion.cancel_leftovers()
    return True


@transaction.atomic
def decide(batch: Batch, decision: str) -> bool:
    """Settle an uncertain batch: "resend" or "mark_sent".

    False: someone was first, or the run or its engagement was ended by a person, after
    which nothing is sent any more. Raises ActivationError as go_live does.
    """
    resends = decision == "resend"
    if resends and not _reopen(batch.run):
        return False
    moved = Batch.objects.filter(pk=batch.pk, state=Batch.State.UNCERTAIN).update(
        state=Batch.State.PENDING if resends else Batch.State.DONE,
        sent_count=0 if resends else PEOPLE_LEFT,
        next_attempt_at=Now(),
    )
    if not moved:
        return False
    if resends:
        delivery_records.reopen(batch)
    else:
        delivery_records.settle(
            [batch.pk], Delivery.State.SENT, "Marked as sent by a person."
        )
    transaction.on_commit(wakeup.publish)
    return True


def may_send_again(engagement: Engagement) -> bool:
    """Whether it is at work, or has ended by itself when its one run was over."""
    if engagement.state != State.ENDED:
        return engagement.state != State.DRAFT
    is_once = (engagement.trigger, engagement.repeat) == (
        Engagement.Trigger.SCHEDULE,
        Engagement.Repeat.ONCE,
    )
    last = engagement.runs.order_by("-pk").first()
    return is_once and last is not None and last.state in Run.COMPLETED


def reopen_engagement(engagement: Engagement) -> bool:
    """Let an engagement send again; False where somebody has ended it.

    Raises ActivationError as go_live does.
    """
    if not may_send_again(engagement):
        return False
    if engagement.state == State.ENDED:
        go_live(engagement, [State.ENDED])
    return True


def _reopen(run: Run) -> bool:
    """Let a run that had completed send again; False when a person ended it."""
    states = (*Run.OPEN, *Run.COMPLETED)
    if not Run.objects.filter(pk=run.pk, state__in=states).exists():
        return False
    # A once-run engagement ended with its run; its batches go out only while active.
    ended = Engagement.objects.filter(
        pk=run.engagement_id,
        state=State.ENDED,
        trigger=Engagement.Trigger.SCHEDULE,
        repeat=Engagement.Repeat.ONCE,
    ).first()
    if ended:
        go_live(ended, [State.ENDED])
    if Engagement.objects.filter(pk=run.engagement_id, state=State.ENDED).exists():
        return False
    Run.objects.filter(pk=run.pk, state__in=Run.COMPLETED).update(
        state=Run.State.SENDING, ended_at=None, deliveries_before=None
    )
    return True
