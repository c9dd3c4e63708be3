"""What the tracking API takes in, and in which form it waits in the inbox."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from lemnisk_braze.lib import database_clock
from segments.models import InboxRequest
from segments.tracking import validation
from tests.inbox import the_only_one, waiting

OK = (200, {"success": True})
TRACK = {"type": "track", "userId": "u1", "event": "E"}


@pytest.fixture(autouse=True)
def a_web_server_whose_clock_is_off():
    """Only the database's counts, also for the time at which a message came in."""
    with time_machine.travel(datetime(2031, 3, 1, 12, 0, tzinfo=UTC)):
        yield


@pytest.fixture
def is_just_now():
    """Whether a stored time is that of the request, by the database's clock."""
    begun = database_clock.now()
    return lambda time: begun <= datetime.fromisoformat(time) <= database_clock.now()


def test_an_identify_waits_in_the_inbox(post, source, is_just_now):
    traits = {"city": "Pune", "age": 30, "pet": None, "nested": {"a": [1, 2]}}
    body = {"userId": "u1", "anonymousId": "a1", "traits": traits, "messageId": "m1"}
    assert post("identify", body) == OK
    message = the_only_one()
    assert (message.source, message.message_id, message.kind) == (
        source,
        "m1",
        "identify",
    )
    assert is_just_now(message.payload.pop("timestamp"))
    assert message.payload == {"userId": "u1", "anonymousId": "a1", "traits": traits}


def test_a_track_waits_in_the_inbox(post, is_just_now):
    body = {
        "type": "track",
        "anonymousId": "a1",
        "event": "Lead",
        "properties": {"n": 1},
    }
    assert post("track", body) == OK
    message = the_only_one()
    assert uuid.UUID(message.message_id)
    assert is_just_now(message.payload.pop("timestamp"))
    assert message.payload == {
        "anonymousId": "a1",
        "event": "Lead",
        "properties": {"n": 1},
    }


@pytest.mark.parametrize("name", ["größe", " größe ", "gro\u0308ße", "\u00a0größe"])
def test_names_that_look_alike_are_one(post, name):
    """As Braze keeps them, and as files and rules have them."""
    traits = {name: 1, "city": {name: 2}}
    assert post("identify", {"userId": "u1", "traits": traits}) == OK
    assert the_only_one().payload["traits"] == {"größe": 1, "city": {name: 2}}
    InboxRequest.objects.all().delete()
    assert post("track", {"userId": "u1", "event": name, "properties": {name: 1}}) == OK
    payload = the_only_one().payload
    assert (payload["event"], payload["properties"]) == ("größe", {"größe": 1})


def test_a_batch_is_many_messages(post, is_just_now):
    items = [{"type": "track", "userId": f"u{n}", "event": "E"} for n in range(100)]
    sent_at = database_clock.now().isoformat()
    assert post("batch", {"batch": items, "sentAt": sent_at}) == OK
    times = [message.payload["timestamp"] for message in waiting()]
    assert [is_just_now(time) for time in times] == [True] * 100


def test_a_batch_costs_one_statement(post, django_assert_num_queries):
    items = [{"type": "track", "userId": f"u{n}", "event": "E"} for n in range(100)]
    post("batch", {"batch": items})
    with django_assert_num_queries(1):
        post("batch", {"batch": items})


def test_a_request_is_one_row(post):
    item = {"type": "identify", "userId": "u1", "messageId": "same"}
    for _ in range(2):
        assert post("batch", {"batch": [item, item]}) == OK
    assert InboxRequest.objects.count() == 2


def test_gzip_is_taken(post):
    assert post("identify", {"userId": "u1"}, zipped=True) == OK


def test_the_write_key_may_be_in_the_body(post, write_key):
    assert post("identify", {"userId": "u1", "writeKey": write_key}, key=None) == OK
    assert write_key not in str(the_only_one().payload)


NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("fields", "time"),
    [
        ({}, NOW),
        ({"timestamp": "2026-02-01T10:00:00Z"}, datetime(2026, 2, 1, 10, tzinfo=UTC)),
        (
            {"timestamp": "2026-02-01T10:00:00.123456789+05:30"},
            datetime(2026, 2, 1, 4, 30, 0, 123456, tzinfo=UTC),
        ),
        (
            # A clock that is an hour ahead: ten minutes passed before it was sent.
            {
                "originalTimestamp": (NOW + timedelta(minutes=50)).isoformat(),
                "timestamp": "2026-02-01T10:00:00Z",
                "sentAt": (NOW + timedelta(hours=1)).isoformat(),
            },
            NOW - timedelta(minutes=10),
        ),
        ({"sentAt": "2026-02-01T10:00:00Z"}, NOW),
    ],
)
def test_the_time_is_the_senders_corrected_by_its_clock(fields, time):
    raw = {"userId": "u1", "event": "E", **fields}
    message = validation.read(raw, NOW, "track")
    assert message.payload["timestamp"] == time.isoformat(timespec="microseconds")


@pytest.mark.parametrize("hours", [-2, 2])
def test_a_senders_clock_that_is_off_is_corrected_by_the_databases(
    post, hours, is_just_now
):
    sent_at = (database_clock.now() + timedelta(hours=hours)).isoformat()
    assert post("track", {**TRACK, "timestamp": sent_at, "sentAt": sent_at}) == OK
    assert is_just_now(the_only_one().payload["timestamp"])


def test_the_batchs_sent_at_counts_for_its_messages(post, is_just_now):
    sent_at = (database_clock.now() - timedelta(hours=1)).isoformat()
    item = {**TRACK, "timestamp": sent_at}
    assert post("batch", {"batch": [item], "sentAt": sent_at}) == OK
    assert is_just_now(the_only_one().payload["timestamp"])


def test_a_batch_keeps_its_good_messages_and_names_the_others(post):
    good = {"type": "identify", "userId": "u1"}
    items = [
        good,
        {"type": "identify"},
        {"type": "alias", "userId": "u1"},
        5,
        {**good, "userId": "u2"},
    ]
    assert post("batch", {"batch": items}) == (
        200,
        {
            "success": True,
            "accepted": 2,
            "refused": [
                {
                    "index": 1,
                    "code": "invalid",
                    "message": validation.NOBODY,
                },
                {
                    "index": 2,
                    "code": "invalid",
                    "message": "alias has a userId and a previousId.",
                },
                {
                    "index": 3,
                    "code": "invalid",
                    "message": "A message is a JSON object.",
                },
            ],
        },
    )
    assert len(waiting()) == 2
