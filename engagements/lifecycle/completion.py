"""When a run, and with it an engagement, is over."""

from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Now

from engagements.guards.reasons import WISHED
from engagements.models import NEXT_DELIVERY, Batch, Delivery, Engagement, Run
from engagements.outbox import doubt
from engagements.schedules.making import ONCE
from lemnisk_braze.lib.logs import get_logger

logger = get_logger(__name__)

# What makes a run one with errors. Who is skipped is none where that was wished.
ERRORS = Delivery.NOT_SENT - {
    Delivery.State.CANCELLED,
    Delivery.State.ERASED,
    Delivery.State.SKIPPED,
}

HAS_OPEN = Exists(Batch.objects.filter(run=OuterRef("pk"), state__in=Batch.OPEN))


def finish() -> int:
    """Complete the runs that have nothing left to send; return how many."""
    cancel_leftovers()
    over = Run.objects.filter(state=Run.State.SENDING, is_standing=False).exclude(
        HAS_OPEN
    )
    errors = Delivery.objects.filter(run=OuterRef("pk"), state__in=ERRORS)
    skips = Batch.objects.filter(run=OuterRef("pk")).skipped_but(WISHED)
    with_errors = Exists(errors) | Exists(skips)
    ids = list(over.values_list("pk", flat=True))
    runs = Run.objects.filter(pk__in=ids, state=Run.State.SENDING)
    count = runs.filter(with_errors).update(
        state=Run.State.COMPLETED_WITH_ERRORS, ended_at=Now(), is_end_judged=False
    )
    count += runs.update(state=Run.State.COMPLETED, ended_at=Now(), is_end_judged=False)
    if count:
        logger.info("run.ended", run_ids=ids)
    _end_engagements()
    _close_deliveries()
    return count


def _close_deliveries() -> None:
    """Note where the deliveries of those end to which none is added any more.

    Who is reopened meanwhile (transitions.decide) has their row locked, and is not over
    any more.
    """
    closed = Run.objects.filter(deliveries_before=None).exclude(state__in=Run.OPEN)
    over = closed.exclude(HAS_OPEN)
    # Mostly there is none, and what writes waits for whoever has locked the table.
    if over.exists():
        over.update(deliveries_before=NEXT_DELIVERY)


def fail(run_id: int, reason: str) -> None:
    """A run that cannot begin: it fails, and its engagement stops and says why."""
    Run.objects.filter(pk=run_id, state__in=Run.OPEN).update(
        state=Run.State.FAILED, failure=reason, ended_at=Now()
    )
    logger.warning("run.failed", run_id=run_id)
    # By a subquery and not by a join: so the state is looked at once more when someone
    # has just moved the engagement.
    engagement = Run.objects.filter(pk=run_id).values("engagement_id")
    Engagement.objects.filter(pk__in=engagement, state=Engagement.State.ACTIVE).update(
        state=Engagement.State.BLOCKED, blocked_reason=reason, is_notice_due=True
    )


def cancel_leftovers() -> int:
    """Cancel what waits in cancelled runs; return how many batches.

    A batch that was on the wire when its run was cancelled comes back here when it was
    not taken.
    """
    waiting = Batch.objects.filter(run__state=Run.State.CANCELLED, state__in=Batch.DUE)
    with transaction.atomic():
        locked = waiting.select_for_update(of=("self",), skip_locked=True)
        ids = list(locked.values_list("pk", flat=True))
        doubt.cancel(ids)
    return len(ids)


def _end_engagements() -> None:
    """An engagement that runs once has ended when its run has.

    Also where it was paused at that moment, and is active again.
    """
    its_runs = Run.objects.filter(
        engagement=OuterRef("pk"), scheduled_for__gte=OuterRef("activated_at")
    )
    # Not what it ran for while it was still to repeat.
    its_one = its_runs.filter(Q(slot="") | Q(slot__startswith=ONCE))
    completed = (Run.State.COMPLETED, Run.State.COMPLETED_WITH_ERRORS)
    Engagement.objects.filter(
        Exists(its_one.filter(state__in=completed)),
        ~Exists(its_runs.filter(state__in=Run.OPEN)),
        state=Engagement.State.ACTIVE,
        trigger=Engagement.Trigger.SCHEDULE,
        repeat=Engagement.Repeat.ONCE,
    ).update(state=Engagement.State.ENDED)
