"""Web server, worker and PostgreSQL die in the middle of what comes in: all of it, once.

What a client got 200 for is applied exactly once; what it got anything else for, or no
answer, it sends again, as every SDK does, and that is once as well.
"""

import base64
import http.client
import itertools
import json
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext

from engagements.audience import expansion
from engagements.delivery import loop
from lemnisk_braze.lib.wakeup import Wakeup
from lemnisk_braze.local import servers
from lemnisk_braze.local.processes import free_port
from segments.ingest import inbox
from segments.models import (
    Event,
    InboxRequest,
    IntakeMinute,
    Membership,
    Profile,
    RefusedMessage,
    Seen,
    Source,
)
from segments.models.signals import segments_changed
from segments.tracking import write_keys
from tests.doubles.celery_processes import CeleryProcess, beat, worker
from tests.doubles.sessions import end_all_sessions
from tests.factories import make_segment
from tests.faults.working import in_thread
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

CLIENTS, BATCHES, SIZE = 3, 60, 20
PEOPLE = 19
MANY = 20
TIME = "2026-01-31T12:00:00+00:00"


class Web(CeleryProcess):
    """The web server, as an operator starts it, on the test's database."""

    program = ()

    def __init__(self, port: int) -> None:
        super().__init__(
            *servers.web(port, workers=1), DEBUG="false", ALLOWED_HOSTS="127.0.0.1"
        )


class Clients:
    """So many at once, each with batches that it sends until they are accepted."""

    def __init__(self, port: int, write_key: str) -> None:
        self.port = port
        key = base64.b64encode(f"{write_key}:".encode()).decode()
        self.headers = {
            "Authorization": f"Basic {key}",
            "Content-Type": "application/json",
        }
        self.accepted: list[str] = []
        self.sent_again = 0

    def send(self, client: int) -> None:
        for number in range(BATCHES):
            batch = [self.message(client, number, n) for n in range(SIZE)]
            body = json.dumps({"batch": batch})
            while not self.is_accepted(body):
                self.sent_again += 1
                time.sleep(0.05)
            self.accepted += (message["messageId"] for message in batch)

    def message(self, client: int, batch: int, n: int) -> dict[str, Any]:
        number = batch * SIZE + n
        common = {
            "messageId": f"{client}-{number}",
            "userId": f"u{number % PEOPLE}",
            "timestamp": f"2026-01-31T12:{number // 60:02}:{number % 60:02}.{client}Z",
        }
        # By a device alone; in the end it is known whose each is.
        if batch == BATCHES - 1:
            common["anonymousId"] = f"d{number % PEOPLE}"
        elif n % 5 == 1:
            common["anonymousId"] = "d" + common.pop("userId")[1:]
        if n % 5 == 0:
            traits = {f"of_{client}": number, "newest": [number, client]}
            return {**common, "type": "identify", "traits": traits}
        return {**common, "type": "track", "event": "Lead"}

    def is_accepted(self, body: str) -> bool:
        web = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            web.request("POST", "/v1/batch", body, self.headers)
            answer = web.getresponse()
            said = answer.read()
        except (OSError, http.client.HTTPException):
            return False
        finally:
            web.close()
        # Never one that makes a client drop what it has.
        assert answer.status in (200, 503), said
        return answer.status == 200


@pytest.fixture
def clients(postgres):
    return Clients(free_port(0), write_keys.issue(Source(name="Shop")))


def test_each_accepted_message_is_applied_once(postgres, clients):
    make_segment(rule={"event": "Lead"}, event_names=["Lead"])
    total = CLIENTS * BATCHES * SIZE
    web, first = Web(clients.port), worker()
    steps = [
        lambda: again(web),
        lambda: again(first),
        postgres.restart,
        lambda: again(web),
        lambda: again(first),
        end_all_sessions,
    ]
    with web, first, beat():
        with in_threads(clients):
            for number, step in enumerate(steps, 1):
                aim = total * number // (len(steps) + 1)
                wait_until(lambda aim=aim: len(clients.accepted) >= aim, "more")
                step()
        wait_until(lambda: not is_waiting(), "the inbox's end")

    assert clients.sent_again > 0
    assert len(clients.accepted) == len(set(clients.accepted)) == total
    made = [
        clients.message(client, batch, n)
        for client in range(CLIENTS)
        for batch in range(BATCHES)
        for n in range(SIZE)
    ]
    events = Counter(Event.objects.values_list("message_id", flat=True))
    assert set(events.values()) == {1}
    tracked = {m["messageId"] for m in made if m["type"] == "track"}
    assert events.keys() == tracked
    assert Seen.objects.count() == total
    assert not RefusedMessage.objects.exists()
    assert sum(IntakeMinute.objects.values_list("applied", flat=True)) == total
    people = Profile.objects.filter(merged_into=None)
    assert people.count() == Membership.objects.count() == PEOPLE
    for person in people:
        number = person.external_id[1:]
        theirs = [m for m in made if is_of(m, number)]
        told = {}
        for message in sorted(theirs, key=lambda m: (m["timestamp"], m["messageId"])):
            told |= message.get("traits", {})
        assert person.attributes == told
        did = {m["messageId"] for m in theirs if m["type"] == "track"}
        assert set(person.events.values_list("message_id", flat=True)) == did


@pytest.fixture
def message():
    """One that waits, and tells whether it still does."""
    source = Source.objects.create(name="Shop")
    inbox.append(source, [("m1", "identify", {"userId": "u1", "timestamp": TIME})])


@pytest.fixture
def another():
    """Somebody who is at work, as the broker knows."""
    another = Wakeup("engagements.tasks.work")
    another.hold()
    yield another
    another.leave()


def work() -> None:
    loop.work(own_wakeup=Wakeup("engagements.tasks.work"))


@pytest.mark.usefixtures("message")
def test_what_comes_is_left_to_who_is_at_work(another, monkeypatch):
    """Two in turns would wait for each other at each chunk."""
    monkeypatch.setattr(inbox, "TAKE_OVER", 600)
    work()
    assert inbox.is_waiting()
    another.leave()
    work()
    assert not inbox.is_waiting()


@pytest.mark.usefixtures("message")
def test_who_is_first_stays_while_another_takes_something_in():
    """Who left would be woken for the next message, and begin anew beside the other."""
    with in_thread(work) as first, lane_taken():
        first.join(timeout=1)
        assert first.is_alive()
    assert not inbox.is_waiting()


@pytest.mark.usefixtures("message")
def test_who_took_over_does_not_look_all_the_time_at_what_it_leaves(
    another, monkeypatch
):
    monkeypatch.setattr(inbox, "TAKE_OVER", 600)
    InboxRequest.objects.update(received_at=Now() - timedelta(hours=1))
    source = Source.objects.get()
    make_segment(rule={"not": {"attribute": "city", "is": "equals", "value": "Pune"}})

    def go_on(**kwargs: object) -> None:
        another.hold()
        inbox.append(source, [("m2", "identify", {"userId": "u2", "timestamp": TIME})])

    segments_changed.connect(go_on)
    try:
        with CaptureQueriesContext(connection) as queries:
            work()
    finally:
        segments_changed.disconnect(go_on)
    assert inbox.is_waiting()
    rounds = [q for q in queries if q["sql"] == expansion.EXPANDABLE]
    # What it took in, what it found then, and a last look where it is alone by now.
    assert len(rounds) <= 3


@pytest.mark.usefixtures("message")
def test_who_is_at_other_work_holds_up_no_message(another, monkeypatch):
    monkeypatch.setattr(inbox, "TAKE_OVER", 0.2)

    def is_applied():
        another.hold()
        work()
        return not inbox.is_waiting()

    wait_until(is_applied, "somebody else", 20)


@pytest.mark.usefixtures("message", "another")
def test_who_was_killed_at_work_holds_up_no_message(monkeypatch):
    monkeypatch.setattr(inbox, "TAKE_OVER", 600)

    def is_applied():
        work()
        return not inbox.is_waiting()

    wait_until(is_applied, "somebody else", 20)


def test_who_stands_still_holds_up_no_message(client):
    """Between two chunks; one that stands still within a chunk is ended in 30 seconds."""
    write_key = write_keys.issue(Source(name="Shop"))
    numbers = itertools.count()

    def post():
        body = {"userId": f"u{next(numbers)}", "writeKey": write_key}
        answer = client.post("/v1/identify", body, content_type="application/json")
        assert answer.status_code == 200

    def is_all_applied():
        post()
        return Profile.objects.count() > MANY

    with worker(1) as first, worker(1):
        wait_until(lambda: post() or Profile.objects.exists(), "the first", 60)
        with ExitStack() as stack:
            with lane_taken():
                for _ in range(MANY):
                    post()
                stack.enter_context(first.stopped())
            wait_until(is_all_applied, "the others", 20)
        wait_until(lambda: not inbox.is_waiting(), "the inbox's end", 60)
    assert Profile.objects.count() == next(numbers)


@contextmanager
def lane_taken() -> Iterator[None]:
    """Nobody can be within a chunk."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [inbox.LOCK])
        yield
        cursor.execute("SELECT pg_advisory_unlock(%s)", [inbox.LOCK])


def is_of(message, number):
    return (
        message.get("userId") == f"u{number}"
        or message.get("anonymousId") == f"d{number}"
    )


def again(process: CeleryProcess) -> None:
    process.kill()
    process.__enter__()


def is_waiting() -> bool:
    connection.close()  # ended as everybody's
    return inbox.is_waiting()


def in_threads(clients: Clients) -> ExitStack:
    stack = ExitStack()
    for client in range(CLIENTS):
        stack.enter_context(in_thread(partial(clients.send, client)))
    return stack
