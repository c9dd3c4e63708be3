"""How many people a run has still to take in, and whether so many are approved."""

from django.db.models import Exists, OuterRef

from engagements.audience import log_lines, send_again
from engagements.guards import ceiling
from engagements.models import Accepted, Batch, Engagement, Run
from segments.models import Membership, Transition

# A place of somebody who is cleared is their id beside this number, which is before any
# id (expansion.FROM_LEFT).
BEFORE = -(2**62)


def people(run: Run) -> int:
    """How many people, or lines of the log, no batch of the run holds yet."""
    after = run.expansion_cursor
    segment = run.engagement.segment_id
    if run.is_standing:
        lines = Transition.objects.filter(segment=segment, pk__gt=after)
        return lines.filter(kind__in=log_lines.kinds(run.trigger)).count()
    if run.state != Run.State.EXPANDING:
        return 0
    left = _who_left(run, max(after - BEFORE, 0) if after < 0 else 0)
    if after < 0:
        return left
    members = Membership.objects.filter(segment=segment, since__lte=run.started_at)
    return left + members.filter(profile_id__gt=after).count()


def _who_left(run: Run, after: int) -> int:
    """How many with an id after this one are to be cleared."""
    engagement = run.engagement
    if not engagement.clears_who_left:
        return 0
    members = Membership.objects.filter(
        segment=engagement.segment_id, profile=OuterRef("profile")
    )
    accepted = Accepted.objects.filter(
        ~Exists(members),
        engagement=engagement,
        profile__gt=after,
        profile__merged_into=None,
    )
    return accepted.count()


def check_approval(run_id: int, above: int) -> None:
    """Before a pass over a segment has taken in anybody: whether it may take in all.

    They come in chunks, and none is to be sent while the rest waits for approval. Raises
    NotApprovedError as ceiling.count does.
    """
    run = Run.objects.select_related("engagement__segment").get(pk=run_id)
    everybody = people(run)
    try:
        ceiling.check_approval(run_id, everybody, above)
    except ceiling.NotApprovedError:
        # Counted only here: of many, many may have been sent before.
        rest = max(everybody - (_left_out(run) or 0), 0)
        ceiling.check_approval(run_id, rest, above)


def _left_out(run: Run) -> int | None:
    """How many of them were sent before; None where that takes too long to count."""
    if not send_again.has_other_runs(run.engagement_id, run.pk):
        return 0
    return send_again.members_left_out(run.engagement)


def at_stake(engagement: Engagement) -> int:
    """How many people its largest open run leads to, those in line included."""
    runs = engagement.runs.filter(state__in=Run.OPEN)
    return max(map(_all_of, runs), default=0)


def _all_of(run: Run) -> int:
    to_come = people(run)
    # Of one that has begun its own people would be among them.
    if not (run.is_standing or run.next_sequence):
        to_come = max(to_come - (_left_out(run) or 0), 0)
    in_line = Batch.objects.filter(run=run).open().people()
    return max(run.taken_in + to_come, in_line)
