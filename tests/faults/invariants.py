"""What must be true after any fault (docs/delivery.md)."""

from collections import Counter
from pathlib import Path

from django.conf import settings

from engagements.models import Attempt, Batch, Delivery, Engagement, Run
from engagements.reporting import finding
from externalapi.vendors.braze.sandbox.process import SandboxProcess
from segments.models import Profile

TERMINAL = {
    Delivery.State.SENT,
    Delivery.State.ACCEPTED_UNVERIFIED,
    Delivery.State.REJECTED,
    Delivery.State.SKIPPED,
    Delivery.State.UNCERTAIN,
    Delivery.State.DEAD,
}


def received(sandbox: SandboxProcess) -> Counter[str]:
    """How often Braze took in each person, whether or not it could say so."""
    return Counter(
        person
        for request in sandbox.requests()
        if request["accepted"]
        for index, person in enumerate(request["external_ids"].get("attributes", ()))
        if index not in request["refused"].get("attributes", ())
    )


def check(
    engagement: Engagement, sandbox: SandboxProcess, secret: str, note: str = ""
) -> None:
    """`note` goes into the failure's text: a seed, for example."""
    # Without reading the people's attributes: those may be the fault.
    deliveries = list(
        Delivery.objects.filter(run__engagement=engagement).values_list(
            "pk", "profile__external_id", "state", "run__state"
        )
    )
    # Whoever was erased is no member any more, and no name is left of them.
    deliveries = [row for row in deliveries if row[2] != Delivery.State.ERASED]
    state = {_name(person, pk): state for pk, person, state, _ in deliveries}
    people = engagement.segment.memberships
    expected = people.count()
    got = received(sandbox)

    # Not joined: for tables that are thought empty that takes a quarter of a minute.
    runs = list(engagement.runs.values_list("pk", flat=True))
    reached = Delivery.objects.filter(run__in=runs).values_list("profile_id", flat=True)
    missing = set(people.values_list("profile_id", flat=True)) - set(reached)
    assert not missing, f"somebody is missing: {sorted(missing)[:5]} {note}"
    assert len(deliveries) == expected, f"somebody is there twice {note}"
    left = Counter(s for _, _, s, run in deliveries if not _is_terminal(s, run))
    assert not left, f"not in a terminal state: {left} {note}"
    batches = Batch.objects.filter(run__engagement=engagement)
    counted = sum(batches.values_list("sent_count", flat=True))
    rows = [s for _, _, s, _ in deliveries if s == Delivery.State.SENT]
    assert counted == len(rows), f"the batches' counts are not the rows {note}"
    skips = sum((own.skips.total() for own in batches.tallies().values()), 0)
    rows = [s for _, _, s, _ in deliveries if s == Delivery.State.SKIPPED]
    assert skips == len(rows), f"the batches' counts are not the rows {note}"
    for run in Run.objects.filter(engagement=engagement):
        listed = finding.of_runs(run.deliveries.all(), Run.objects.filter(pk=run.pk))
        assert listed.count() == run.deliveries.count(), f"not in the list {note}"
    open_batches = Batch.objects.filter(
        run__engagement=engagement, state__in=Batch.OPEN
    )
    assert not open_batches.exists(), f"open batches {note}"
    never_got = {p for p, s in state.items() if s == "sent"} - set(got)
    assert not never_got, f"sent, says the row, and Braze never had it {note}"
    repeated = {p for p, n in got.items() if n > 1}
    assert repeated <= _in_ambiguous_attempts(engagement), f"a silent repeat {note}"
    attempts = Attempt.objects.filter(batch__run__engagement=engagement)
    assert not attempts.filter(outcome=Attempt.Outcome.UNFINISHED).exists(), note
    for attempt in attempts:
        assert secret not in attempt.message + attempt.response_head, note
    assert secret not in _log(), f"the key is in a worker's log {note}"


def _name(external_id: str | None, pk: int) -> str:
    return external_id or f"nameless {pk}"


def _is_terminal(state: str, run_state: str) -> bool:
    if state == Delivery.State.CANCELLED:
        return run_state == Run.State.CANCELLED
    return state in TERMINAL


def _in_ambiguous_attempts(engagement: Engagement) -> set[str]:
    attempts = Attempt.objects.filter(
        batch__run__engagement=engagement, outcome=Attempt.Outcome.AMBIGUOUS
    )
    ids = {
        profile_id
        for attempt in attempts.select_related("batch")
        for place, profile_id in enumerate(attempt.batch.profile_ids)
        if place not in attempt.left_out
    }
    people = Profile.objects.filter(pk__in=ids).values_list("external_id", flat=True)
    return {external_id for external_id in people if external_id}


def _log() -> str:
    log = Path(settings.VAR_DIR) / "log" / "celery.log"
    return log.read_text(errors="replace") if log.exists() else ""
