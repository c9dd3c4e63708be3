"""A worker with another SECRETS_KEY: it stands back, and the engagement goes on."""

from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.db import connection

from engagements.delivery import loop
from engagements.lifecycle import transitions
from engagements.models import Batch, Engagement, Worker
from engagements.operations import status
from engagements.outbox import workers
from externalapi.connections import encryption
from externalapi.models import Connection
from tests import factories
from tests.doubles.celery_processes import worker
from tests.doubles.lost_database import losing_the_database
from tests.faults import invariants, working
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

PEOPLE = 150
STRANGE = "a passphrase that no other process has"


@pytest.fixture(autouse=True)
def asked_anew(monkeypatch):
    monkeypatch.setattr(workers, "_checked_at", float("-inf"))
    monkeypatch.setattr(workers, "_drains", False)
    monkeypatch.setattr(workers, "_reported_at", float("-inf"))


def test_a_worker_with_another_key_refuses_to_start(draft, sandbox):
    engagement = draft(PEOPLE)
    transitions.activate(engagement)
    log = Path(django_settings.VAR_DIR) / "log" / "celery.log"
    before = log.stat().st_size if log.exists() else 0
    with worker(SECRETS_KEYS=STRANGE) as stranger:
        assert stranger.process
        assert stranger.process.wait(60) != 0
        said = log.read_bytes()[before:].decode()
    assert "another SECRETS_KEY" in said
    assert STRANGE not in said
    engagement.refresh_from_db()
    assert engagement.state == Engagement.State.ACTIVE
    assert not sandbox.requests()

    with worker():
        wait_until(lambda: working.states(engagement) == {"sent": PEOPLE}, "the people")
    invariants.check(engagement, sandbox, sandbox.key)


def test_a_key_that_is_stored_later_makes_a_stranger(active, sandbox, settings):
    """It began when there was no key yet, and learns of it with a batch in hand."""
    engagement = active(PEOPLE)
    known = settings.SECRETS_KEYS
    settings.SECRETS_KEYS = [STRANGE]
    assert loop.work(), "work remains, for others"
    assert not sandbox.requests()
    engagement.refresh_from_db()
    assert engagement.state == Engagement.State.ACTIVE
    batches = Batch.objects.values_list("state", "attempt_count", "reap_count")
    assert set(batches) == {("pending", 0, 0)}
    # It takes no more, and Operations says why.
    seen = Worker.objects.get(name=workers.process_name())
    assert seen.drain_asked_at and "another SECRETS_KEY" in seen.problem
    texts = " ".join(alarm.text for alarm in status.read().alarms)
    assert "another SECRETS_KEY" in texts and STRANGE not in texts

    settings.SECRETS_KEYS = known
    with worker():
        wait_until(lambda: working.states(engagement) == {"sent": PEOPLE}, "the people")
    invariants.check(engagement, sandbox, sandbox.key)


def test_one_key_that_cannot_be_read_stops_its_own_engagement(active, sandbox):
    """Others can be read: it is not this worker that has the wrong passphrase."""
    engagement, other = active(10), active(10)
    spoilt = factories.make_connection(base_url=sandbox.url)
    encryption.set_key(spoilt, sandbox.key)
    Connection.objects.filter(pk=spoilt.pk).update(key_encrypted="no key of ours")
    version = factories.make_version(connection=spoilt)
    hurt = active(5, version=version)
    for one in (engagement, other):
        working.to_the_end(one)
        assert working.states(one) == {"sent": 10}
    hurt.refresh_from_db()
    assert hurt.state == Engagement.State.BLOCKED
    assert "another SECRETS_KEY" in hurt.blocked_reason


def test_a_worker_with_the_old_and_the_new_key_is_no_stranger(braze, settings):
    known = settings.SECRETS_KEYS
    settings.SECRETS_KEYS = [STRANGE, *known]
    assert not encryption.is_stranger()
    assert encryption.rotate_key(Connection.objects.get(pk=braze.pk))
    assert not encryption.is_stranger()
    settings.SECRETS_KEYS = known
    assert encryption.is_stranger()
    settings.SECRETS_KEYS = [STRANGE]
    assert not encryption.is_stranger()


def test_where_no_key_is_stored_nobody_is_a_stranger(db, settings):
    settings.SECRETS_KEYS = [STRANGE]
    assert not encryption.is_stranger()


def test_an_alarm_that_cannot_be_written_down_stops_nothing(caplog):
    with losing_the_database():
        workers.report(ValueError("a mistake"))
    assert "worker.mistake" in caplog.text
    connection.close()
    assert not Worker.objects.exists()
