"""A request wakes a worker through the real broker; the worker applies the inbox."""

from contextlib import suppress

import pytest
from celery import current_app

from segments import inbox, tasks
from segments.models import InboxMessage, Profile


@pytest.fixture
def wake_ups():
    """The names of the tasks that were published, from the broker itself."""
    with current_app.connection_for_read() as connection:
        queue = connection.SimpleQueue("celery")
        queue.clear()
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
    assert wake_ups() == ["segments.tasks.apply_inbox"]


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
    monkeypatch.setattr(inbox, "SECONDS", -1)
    tasks.apply_inbox()
    assert wake_ups() == ["segments.tasks.apply_inbox"]
    monkeypatch.undo()
    tasks.apply_inbox()
    assert Profile.objects.count() == 1
    assert not InboxMessage.objects.filter(applied_at=None).exists()
    assert len(wake_ups()) == 1
