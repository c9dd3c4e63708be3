"""A request wakes a worker through the real broker; the worker applies the inbox."""

from contextlib import suppress

import pytest
from celery import current_app

from engagements.tasks import drain
from segments import inbox, tasks, wakeup
from segments.models import InboxMessage, Profile
from tests.faults.workers import wait_until


@pytest.fixture
def wake_ups():
    """The names of the tasks that were published, from the broker itself."""
    with current_app.connection_for_read() as connection:
        queue = connection.SimpleQueue("celery")
        queue.clear()
        wakeup.begun(drain)
        names = []

        def taken():
            with suppress(queue.Empty):
                while True:
                    message = queue.get(block=False)
                    message.ack()
                    names.append(message.headers["task"])
            return names

        yield taken
        queue.close()


@pytest.mark.django_db(transaction=True)
def test_an_accepted_request_rings_once(post, wake_ups):
    items = [{"type": "identify", "userId": f"u{n}"} for n in range(5)]
    assert post("batch", {"batch": items})[0] == 200
    assert wake_ups() == ["engagements.tasks.drain"]


@pytest.mark.django_db(transaction=True)
def test_of_many_wake_ups_one_stands_in_line_until_somebody_begins(post, wake_ups):
    for n in range(5):
        post("identify", {"userId": f"u{n}"})
    assert wake_ups() == ["engagements.tasks.drain"]
    wakeup.begun(drain)
    post("identify", {"userId": "u5"})
    assert len(wake_ups()) == 2


@pytest.mark.django_db(transaction=True)
def test_a_wake_up_that_was_lost_is_missed_for_a_second(post, wake_ups, monkeypatch):
    monkeypatch.setattr(wakeup, "IN_LINE", 50)
    post("identify", {"userId": "u1"})
    with current_app.connection_for_read() as connection:
        connection.SimpleQueue("celery").clear()
    wait_until(lambda: post("identify", {"userId": "u2"}) and wake_ups(), "another", 5)


@pytest.mark.django_db(transaction=True)
def test_a_refused_request_rings_nobody(post, wake_ups):
    assert post("identify", {})[0] == 400
    assert post("batch", {"batch": [{}]})[0] == 200
    assert wake_ups() == []


@pytest.mark.django_db(transaction=True)
def test_the_task_applies_and_rings_again_only_if_work_remains(
    post, wake_ups, monkeypatch
):
    post("identify", {"userId": "u1"})
    wake_ups().clear()
    wakeup.begun(drain)
    monkeypatch.setattr(inbox, "SECONDS", -1)
    tasks.apply_inbox()
    assert wake_ups() == ["engagements.tasks.drain"]
    monkeypatch.undo()
    tasks.apply_inbox()
    assert Profile.objects.count() == 1
    assert not InboxMessage.objects.filter(applied_at=None).exists()
    assert len(wake_ups()) == 1
