"""Answers on a worker's own disk: written, forgotten, and written down by another."""

import fcntl
import logging
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import orjson
import pytest
from django.db import transaction
from django.utils import timezone

from engagements.audience import erasure, expansion
from engagements.delivery import lease_reaper, loop, outcomes
from engagements.delivery.attempts import intend
from engagements.delivery.claims import claim
from engagements.delivery.journal import Journal, replay
from engagements.delivery.transport import send
from engagements.delivery.writing import write
from engagements.lifecycle import transitions
from engagements.models import Attempt, Batch, Delivery, Engagement
from engagements.outbox.prepared_request import Result
from externalapi.connections import encryption
from externalapi.http import client
from tests import factories
from tests.doubles.sessions import refusing
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def folder(settings, tmp_path: Path) -> Path:
    settings.JOURNAL_DIR = tmp_path / "journal"
    return tmp_path / "journal"


def activated(braze, people=3, **fields) -> Engagement:
    engagement = factories.make_engagement(
        factories.make_segment(people),
        factories.make_version(connection=braze, **fields),
        trigger=Engagement.Trigger.SCHEDULE,
    )
    transitions.activate(engagement)
    return engagement


def answered() -> list[Result]:
    """The answers to everything that is due, in hand and not written down."""
    expansion.expand(expansion.expandable_runs())
    return [send(prepared) for prepared in intend(list(write(claim(10))))]


def leave_behind(results: list[Result]) -> None:
    """What a process leaves that ends with these in hand."""
    with Journal() as own:
        own.keep(results)


def in_database() -> list[object]:
    """All that the record of an answer changes, but for times by chance."""
    attempts = Attempt.objects.values_list(
        "outcome", "status", "message", "note", "response_head", "duration_ms"
    )
    batches = Batch.objects.order_by("profile_ids", "state").values_list(
        "profile_ids", "state", "sent_count", "left_out", "attempt_count"
    )
    deliveries = Delivery.objects.order_by("profile").values_list(
        "profile", "state", "reason"
    )
    engagements = Engagement.objects.values_list("state", "blocked_reason", "refusals")
    return [list(rows) for rows in (attempts, batches, deliveries, engagements)]


def status(code: int) -> dict[str, object]:
    return {"kind": "status", "status": code}


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "pass"},
        {"kind": "partial_errors", "indexes": [1]},
        {"kind": "error_without_index"},
        {"kind": "html_200"},
        {"kind": "reset_after"},
        *map(status, (400, 401, 404, 413, 429, 500, 502)),
    ],
    ids=lambda fault: str(fault.get("status", fault["kind"])),
)
def test_every_answer_is_written_down_as_if_nothing_had_been(braze, sandbox, fault):
    activated(braze)
    sandbox.faults([fault])
    results = answered()
    before = in_database()
    with transaction.atomic():
        outcomes.record(results)
        expected = in_database()
        transaction.set_rollback(True)
    assert in_database() == before != expected
    leave_behind(results)

    replay()

    assert in_database() == expected
    replay()
    assert in_database() == expected


def test_what_was_left_out_is_said(braze, sandbox):
    activated(braze)
    results = answered()
    prepared = results[0].prepared.noted({2: "Without “nickname”."})
    leave_behind([replace(results[0], prepared=prepared)])

    replay()

    reasons = Delivery.objects.order_by("profile").values_list("reason", flat=True)
    assert list(reasons) == ["", "", "Without “nickname”."]


def test_an_error_of_odd_characters_is_written_down(braze, sandbox):
    activated(braze)
    (result,) = answered()
    error = client.AmbiguousError("Cut off after \ud800\0")
    leave_behind([Result.of_error(result.prepared, error)])

    replay()

    attempt = Attempt.objects.get()
    assert attempt.outcome == "ambiguous"
    assert attempt.message.startswith("Cut off after")


def test_a_line_that_was_cut_off_spoils_no_other(braze, sandbox, folder):
    activated(braze, batching="one")
    first, second, third = answered()
    with Journal() as own:
        own.keep([first, second])
        (path,) = folder.iterdir()
        os.truncate(path, path.stat().st_size - 20)
        own.keep([third])

    replay()

    finished = Attempt.objects.filter(outcome="sent").values_list("pk", flat=True)
    assert set(finished) == {first.prepared.attempt_id, third.prepared.attempt_id}
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    "line", [b"[1]", b"{}", b'{"attempt": 7}', b'{"attempt": "%b"}', b"\xff\0"]
)
def test_what_makes_no_sense_is_nothing(braze, sandbox, folder, line):
    activated(braze)
    (result,) = answered()
    leave_behind([result])
    (path,) = folder.iterdir()
    path.write_bytes(line.replace(b"%b", result.prepared.attempt_id.hex.encode()))

    replay()

    assert Attempt.objects.get().outcome == "unfinished"
    assert list(folder.iterdir()) == []


def test_what_this_database_does_not_know_may_be_anothers(braze, sandbox, folder):
    """Two installations on one machine, or a standby that is behind: it is kept a day."""
    activated(braze)
    leave_behind(answered())
    (path,) = folder.iterdir()
    with transaction.atomic():
        Attempt.objects.all().delete()
        replay()
        assert path.exists()
        transaction.set_rollback(True)

    replay()

    assert Attempt.objects.get().outcome == "sent"
    assert not path.exists()


def test_what_nobody_knows_is_not_kept_for_ever(braze, sandbox, folder):
    activated(braze)
    leave_behind(answered())
    (path,) = folder.iterdir()
    entry = orjson.loads(path.read_bytes())
    long_ago = datetime.fromisoformat(entry["at"]) - timedelta(days=2)
    path.write_bytes(orjson.dumps({**entry, "at": long_ago}))
    Attempt.objects.all().delete()

    replay()

    assert list(folder.iterdir()) == []


def test_an_answer_is_as_old_as_itself_and_not_as_its_batch(braze, sandbox, folder):
    """A batch that is tried for days was written first long ago."""
    activated(braze)
    (result,) = answered()
    claim = result.prepared.claim
    long_ago = claim._replace(now=claim.now - timedelta(days=2))
    leave_behind([replace(result, prepared=replace(result.prepared, claim=long_ago))])
    Attempt.objects.all().delete()

    replay()

    assert len(list(folder.iterdir())) == 1


def test_of_a_process_that_lives_nothing_is_taken(braze, sandbox, folder):
    activated(braze)
    with Journal() as own:
        own.keep(answered())
        replay()
        assert Attempt.objects.get().outcome == "unfinished"

    replay()

    assert Attempt.objects.get().outcome == "sent"


def test_two_do_not_write_down_one_file(braze, sandbox, folder):
    activated(braze)
    leave_behind(answered())
    (path,) = folder.iterdir()
    with path.open() as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        replay()
        assert Attempt.objects.get().outcome == "unfinished"
        assert path.exists()


def test_before_a_lease_is_called_over(braze, sandbox, settings):
    activated(braze)
    leave_behind(answered())
    Batch.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    # The server of the tests is young: recovery waits one lease from its start.
    settings.DELIVERY_LEASE = timedelta(0)

    assert lease_reaper.reap() == 0

    assert Attempt.objects.get().outcome == "sent"


@pytest.fixture
def overdue(braze, sandbox, settings):
    """Answers in hand, and the lease of their batches has run out."""
    activated(braze)
    results = answered()
    Batch.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    # The server of the tests is young: recovery waits one lease from its start.
    settings.DELIVERY_LEASE = timedelta(0)
    return results


def test_a_lease_is_not_over_while_another_writes_down_the_answer(overdue, folder):
    """A process of the same machine, a little slower than the tick."""
    leave_behind(overdue)
    (path,) = folder.iterdir()
    with path.open() as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert lease_reaper.reap() == 0
        assert path.exists()

    assert Attempt.objects.get().outcome == "sent"


def test_a_lease_is_not_over_while_its_worker_has_the_answer(overdue):
    with Journal() as own:
        own.keep(overdue)
        assert lease_reaper.reap() == 0
        outcomes.record(overdue)
        own.forget()

    assert Attempt.objects.get().outcome == "sent"
    assert Batch.objects.get().attempt_count == 1


@pytest.mark.django_db(transaction=True)
def test_a_lease_is_not_over_while_the_answer_cannot_be_written_down(overdue):
    """The session is ended in the middle of it; the next would find the database there."""
    leave_behind(overdue)
    with refusing("engagements_delivery", "true", code="57P01"):
        assert lease_reaper.reap() == 0
        assert Attempt.objects.get().outcome == "unfinished"

    assert lease_reaper.reap() == 0
    assert Attempt.objects.get().outcome == "sent"


def reap_elsewhere(settings, folder: Path) -> None:
    """As the tick of a machine does that has not got this journal."""
    settings.DELIVERY_LEASE = timedelta(0)
    settings.DELIVERY_GRACE = timedelta(0)
    settings.JOURNAL_DIR = folder.with_name("elsewhere")
    Batch.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert lease_reaper.reap() == 1
    settings.JOURNAL_DIR = folder


def test_after_another_machine_had_its_doubts(braze, sandbox, settings, folder):
    activated(braze)
    leave_behind(answered())
    reap_elsewhere(settings, folder)
    assert {d.state for d in Delivery.objects.all()} == {"uncertain"}

    replay()

    assert Attempt.objects.get().outcome == "sent"
    assert {d.state for d in Delivery.objects.all()} == {"sent"}


def test_after_it_was_sent_again_it_says_so(braze, sandbox, settings, folder):
    engagement = activated(braze)
    engagement.ambiguous_policy = Engagement.AmbiguousPolicy.RESEND
    engagement.save()
    leave_behind(answered())
    lease = settings.DELIVERY_LEASE
    reap_elsewhere(settings, folder)
    settings.DELIVERY_LEASE = lease
    outcomes.record(answered())

    replay()

    first, second = Attempt.objects.order_by("started_at")
    assert (first.outcome, second.outcome) == ("ambiguous", "sent")
    assert first.message.endswith("Answered late, after it was sent again: Accepted.")


def test_a_key_that_was_refused_stops_nobody_with_another(braze, sandbox):
    engagement = activated(braze)
    sandbox.faults([status(401)])
    leave_behind(answered())
    encryption.set_key(braze, "another key")

    replay()

    engagement.refresh_from_db()
    assert engagement.state == Engagement.State.ACTIVE
    assert Attempt.objects.get().outcome == "blocked"


def test_a_worker_writes_down_what_it_finds(braze, sandbox):
    activated(braze)
    leave_behind(answered())

    def is_written_down() -> bool:
        loop.work(timedelta(0))
        return Attempt.objects.get().outcome == "sent"

    wait_until(is_written_down, "a look at what was left behind")


def test_a_worker_leaves_nothing_lying(braze, sandbox, folder):
    activated(braze, people=40, batching="one")

    loop.work()

    assert Attempt.objects.filter(outcome="sent").count() == 40
    assert list(folder.iterdir()) == []


def test_only_its_user_may_read_it_and_no_key_is_in_it(braze, sandbox, folder):
    activated(braze)
    leave_behind(answered())
    (path,) = folder.iterdir()
    assert (path.stat().st_mode & 0o777, folder.stat().st_mode & 0o777) == (
        0o600,
        0o700,
    )
    text = path.read_text()
    assert sandbox.key not in text
    assert not any(person.external_id in text for person in people())


def people():
    return [m.profile for m in Engagement.objects.get().segment.memberships.all()]


def test_of_who_was_erased_no_answer_is_kept(braze, sandbox):
    activated(braze)
    leave_behind(answered())
    erasure.forget([people()[1].pk])

    replay()

    attempt = Attempt.objects.get()
    assert (attempt.outcome, attempt.response_head) == ("sent", "")
    assert Batch.objects.get().sent_count == 2


def test_without_a_folder_everybody_is_sent(braze, sandbox, settings, tmp_path, caplog):
    (tmp_path / "file").touch()
    settings.JOURNAL_DIR = tmp_path / "file" / "journal"
    activated(braze, people=5, batching="one")

    with caplog.at_level(logging.WARNING):
        loop.work()
        loop.work()

    assert Attempt.objects.filter(outcome="sent").count() == 5
    said = [r for r in caplog.records if "JOURNAL_DIR" in r.getMessage()]
    assert len(said) <= 1


@contextmanager
def full_disk(size: int) -> Iterator[None]:
    """No file of this process grows beyond so many bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_disk_that_is_full_keeps_what_it_took(braze, sandbox):
    activated(braze, batching="one")
    results = answered()
    with Journal() as own, full_disk(300):
        for result in results:
            own.keep([result])

    replay()

    assert Attempt.objects.filter(outcome="sent").count() == 1
