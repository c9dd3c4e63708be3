"""What stands still is said: the inbox, its refusals, a segment, batches that are due."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.cache import cache
from django.core.management import call_command
from django.urls import reverse
from django.utils import timezone

from engagements.models import Run, Sample, Worker
from engagements.operations import status
from segments.ingest import inbox
from segments.models import (
    InboxRequest,
    IntakeMinute,
    Profile,
    RefusedMessage,
    Segment,
)
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def ticking():
    cache.clear()
    now = timezone.now()
    numbers = {"people": 0, "requests": 0, "waiting_people": 0, "waiting_batches": 0}
    Sample.objects.create(since=now, until=now, **numbers)
    yield
    cache.clear()


@pytest.fixture
def source():
    return factories.make_source()


def ago(**span):
    return timezone.now() - timedelta(**span)


def came(source, count=1, received=0):
    """Messages that came in so many seconds ago, and wait."""
    for _ in range(count):
        inbox.append(source, [("m", "identify", {"userId": "u1"})])
        newest = InboxRequest.objects.latest("pk")
        received_at = ago(seconds=received)
        InboxRequest.objects.filter(pk=newest.pk).update(received_at=received_at)


def ended(source, at, applied=0, refused=0, why="too long"):
    """So many were applied, and so many refused, at a time."""
    IntakeMinute.objects.create(
        minute=at,
        source=source,
        applied=applied,
        refused=refused,
        last_at=at,
    )
    for number in range(refused):
        row = RefusedMessage.objects.create(
            source=source,
            stage="applying",
            code="cannot_be_applied",
            message=why,
            message_id=f"{why} {number}",
            kind="identify",
            body=b'{"userId": "u1"}',
        )
        RefusedMessage.objects.filter(pk=row.pk).update(at=at)


def alarms():
    return {alarm.name: alarm for alarm in status.read().alarms}


def test_messages_that_just_came_in_are_no_alarm(source):
    ended(source, ago(seconds=500), applied=3)
    came(source, 3, received=5)
    assert alarms() == {}


@pytest.mark.parametrize("applied", [None, 600, 46])
def test_an_inbox_that_stands_still_is_an_alarm(source, client, applied):
    if applied:
        ended(source, ago(seconds=applied), applied=1)
    came(source, 2, received=50)
    InboxRequest.objects.update(note="no such column")
    alarm = alarms()["inbox"]
    assert "stands still: 2 of the tracking API’s messages wait" in alarm.text
    assert "no such column" in alarm.text
    answer = client.get("/healthz")
    assert (answer.status_code, answer.json()["alarms"]) == (503, ["inbox"])
    assert answer.json()["messages_waiting"] == 2
    assert "column" not in answer.text


def test_an_inbox_that_goes_on_is_an_alarm_only_when_it_is_far_behind(source):
    ended(source, ago(seconds=1), applied=1)
    came(source, received=90)
    assert alarms() == {}
    InboxRequest.objects.update(received_at=ago(seconds=310))
    assert "behind" in alarms()["inbox"].text


def test_refused_messages_are_counted(source, client):
    ended(source, ago(seconds=60), applied=19, refused=1)
    alarm = alarms()["refused"]
    assert alarm.text.startswith(
        "1 of the messages of the last 10 minutes were taken in"
    )
    assert client.get("/healthz").status_code == 200
    ended(source, ago(seconds=59), refused=3)
    assert "4 of the messages of the last 10 minutes, 17 % of all," in (
        alarms()["refused"].text
    )
    cache.clear()
    assert client.get("/healthz").json()["alarms"] == ["refused"]


def test_what_was_refused_long_atis_no_alarm(source):
    ended(source, ago(seconds=700), refused=30)
    assert alarms() == {}


def test_a_refused_message_is_applied_again_when_its_cause_is_gone(source):
    ended(source, ago(seconds=5), refused=2, why="too long for the column")
    ended(source, ago(seconds=4), refused=1, why="something else")
    said = StringIO()
    call_command("apply_refused", "--reason", "too long", "--yes", stdout=said)
    assert said.getvalue() == "2 messages wait in the inbox again.\n"
    assert inbox.apply().messages == 2
    assert Profile.objects.get().external_id == "u1"
    assert RefusedMessage.objects.get(replayed_at=None).message == "something else"
    call_command("apply_refused", "--reason", "too long", "--yes", stdout=said)
    assert "No message was refused" in said.getvalue()


def test_a_segment_that_cannot_be_counted_is_an_alarm_of_its_own(client):
    segment = factories.make_segment(name="Leads")
    Segment.objects.filter(pk=segment.pk).update(problem="Make its rule simpler.")
    assert "“Leads” cannot be counted" in alarms()["segment"].text
    assert "Make its rule simpler." in alarms()["segment"].text
    assert client.get("/healthz").status_code == 200
    Segment.objects.update(is_active=False)
    assert alarms() == {}


def due(minutes):
    engagement = factories.make_engagement(state="active")
    run = factories.make_run(engagement, state=Run.State.SENDING)
    at = ago(minutes=minutes)
    return factories.make_batch(run, 3, next_attempt_at=at, created_at=at)


def test_batches_that_do_not_move_while_workers_work_are_an_alarm(client):
    batch = due(minutes=2)
    Worker.objects.create(name="host:2", node="celery@host:1")
    assert list(alarms()) == ["standstill"]
    assert client.get("/healthz").json()["alarms"] == ["standstill"]
    # An answer, whatever it was, is a sign of life.
    factories.make_attempt(batch, started_at=ago(seconds=20), outcome="not_sent")
    assert alarms() == {}


def test_batches_that_are_just_due_are_no_alarm():
    due(minutes=0.5)
    Worker.objects.create(name="host:2", node="celery@host:1")
    assert alarms() == {}


def test_the_home_page_says_that_the_inbox_stands_still(client, source):
    factories.make_engagement(state="active")
    client.force_login(factories.make_admin())
    assert "stands still" not in client.get("/admin/").text
    came(source, received=50)
    assert "The inbox stands still" in client.get("/admin/").text


def test_the_operations_page_says_it_too(client, source):
    came(source, received=50)
    client.force_login(factories.make_admin())
    assert (
        "The inbox stands still"
        in client.get(reverse("admin:engagements_operations")).text
    )
