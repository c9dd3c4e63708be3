"""A request wakes a worker through the real broker; the worker applies the inbox."""

from contextlib import suppress

import pytest
from celery import current_app

from engagements import wakeup
from lemnisk_braze.lib import wakeup as publishing
from lemnisk_braze.lib.wakeup import Wakeup
from tests.waiting import wait_until

TASK = "engagements.tasks.work"


@pytest.fixture
def wake_ups():
    """The names of the tasks that were published, from the broker itself."""
    with current_app.connection_for_read() as connection:
        queue = connection.SimpleQueue("celery")
        queue.clear()
        wakeup.worker().begin()
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
def test_an_accepted_request_wakes_a_worker_once(post, wake_ups):
    items = [{"type": "identify", "userId": f"u{n}"} for n in range(5)]
    assert post("batch", {"batch": items})[0] == 200
    assert wake_ups() == ["engagements.tasks.work"]


@pytest.mark.django_db(transaction=True)
def test_of_many_wake_ups_one_is_queued_until_somebody_begins(post, wake_ups):
    for n in range(5):
        post("identify", {"userId": f"u{n}"})
    assert wake_ups() == ["engagements.tasks.work"]
    wakeup.worker().begin()
    post("identify", {"userId": "u5"})
    assert len(wake_ups()) == 2


@pytest.mark.django_db(transaction=True)
def test_a_wake_up_that_was_lost_is_missed_for_a_second(post, wake_ups, monkeypatch):
    monkeypatch.setattr(publishing, "STANDS", 50)
    post("identify", {"userId": "u1"})
    with current_app.connection_for_read() as connection:
        connection.SimpleQueue("celery").clear()
    wait_until(lambda: post("identify", {"userId": "u2"}) and wake_ups(), "another", 5)


@pytest.mark.django_db(transaction=True)
def test_a_refused_request_wakes_nobody(post, wake_ups):
    assert post("identify", {})[0] == 400
    assert post("batch", {"batch": [{}]})[0] == 400
    assert wake_ups() == []


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("of", [publishing.of, Wakeup], ids=["here", "elsewhere"])
def test_while_a_worker_is_at_work_nobody_is_woken(post, wake_ups, of):
    at_work = of("engagements.tasks.work")
    at_work.hold()
    post("identify", {"userId": "u1"})
    assert wake_ups() == []
    at_work.leave()
    post("identify", {"userId": "u2"})
    assert wake_ups() == ["engagements.tasks.work"]


@pytest.mark.django_db(transaction=True)
def test_a_second_worker_takes_nobodys_place_when_it_leaves(post, wake_ups):
    first, second = Wakeup(TASK), Wakeup(TASK)
    first.hold()
    second.hold()
    assert first.is_first and not second.is_first
    # Who comes meanwhile is the first one's.
    assert not second.leave()
    post("identify", {"userId": "u1"})
    assert wake_ups() == []
    second.hold()
    assert first.leave()
    post("identify", {"userId": "u2"})
    assert wake_ups() == [TASK]


@pytest.mark.usefixtures("wake_ups")
def test_a_second_worker_takes_the_place_of_one_that_was_killed(monkeypatch):
    monkeypatch.setattr(publishing, "STANDS", 50)
    Wakeup(TASK).hold()
    second = Wakeup(TASK)

    def is_first():
        second.hold()
        return second.is_first

    wait_until(is_first, "the place", 5)


@pytest.mark.django_db(transaction=True)
def test_who_has_just_asked_does_not_ask_again_for_a_moment(
    post, wake_ups, monkeypatch
):
    post("identify", {"userId": "u1"})
    monkeypatch.setattr(publishing, "KNOWN", 60)
    wakeup.worker().begin()
    post("identify", {"userId": "u2"})
    Wakeup("engagements.tasks.work").begin()
    post("identify", {"userId": "u3"})
    assert len(wake_ups()) == 2


@pytest.mark.django_db(transaction=True)
def test_what_was_known_is_asked_again_however_many_come(post, wake_ups, monkeypatch):
    monkeypatch.setattr(publishing, "KNOWN", 0.5)
    post("identify", {"userId": "u1"})
    assert len(wake_ups()) == 1
    Wakeup("engagements.tasks.work").begin()
    wait_until(lambda: post("identify", {"userId": "u2"}) and wake_ups()[1:], "it", 5)
