"""What the tracking API takes in, and in which form it waits in the inbox."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from segments.models import InboxMessage

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
OK = (200, {"success": True})


@pytest.fixture(autouse=True)
def a_clock_that_stands_still():
    with time_machine.travel(NOW, tick=False):
        yield


def test_an_identify_waits_in_the_inbox(post, source):
    traits = {"city": "Pune", "age": 30, "pet": None, "nested": {"a": [1, 2]}}
    body = {"userId": "u1", "anonymousId": "a1", "traits": traits, "messageId": "m1"}
    assert post("identify", body) == OK
    message = InboxMessage.objects.get()
    assert (message.source, message.message_id, message.kind) == (
        source,
        "m1",
        "identify",
    )
    assert message.payload == {
        "userId": "u1",
        "anonymousId": "a1",
        "traits": traits,
        "timestamp": NOW.isoformat(),
    }
    assert message.applied_at is None


def test_a_track_waits_in_the_inbox(post):
    body = {
        "type": "track",
        "anonymousId": "a1",
        "event": "Lead",
        "properties": {"n": 1},
    }
    assert post("track", body) == OK
    message = InboxMessage.objects.get()
    assert uuid.UUID(message.message_id)
    assert message.payload == {
        "anonymousId": "a1",
        "event": "Lead",
        "properties": {"n": 1},
        "timestamp": NOW.isoformat(),
    }


def test_a_batch_is_many_messages(post):
    items = [{"type": "track", "userId": f"u{n}", "event": "E"} for n in range(100)]
    assert post("batch", {"batch": items, "sentAt": NOW.isoformat()}) == OK
    assert InboxMessage.objects.count() == 100


def test_a_batch_costs_two_statements(post, django_assert_num_queries):
    items = [{"type": "track", "userId": f"u{n}", "event": "E"} for n in range(100)]
    with django_assert_num_queries(2):
        post("batch", {"batch": items})


def test_the_same_message_id_is_one_row(post):
    item = {"type": "identify", "userId": "u1", "messageId": "same"}
    for _ in range(2):
        assert post("batch", {"batch": [item, item]}) == OK
    assert InboxMessage.objects.count() == 1


def test_gzip_is_taken(post):
    assert post("identify", {"userId": "u1"}, zipped=True) == OK


def test_the_write_key_may_be_in_the_body(post, write_key):
    assert post("identify", {"userId": "u1", "writeKey": write_key}, key=None) == OK
    assert write_key not in str(InboxMessage.objects.get().payload)


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
def test_the_time_is_the_senders_corrected_by_its_clock(post, fields, time):
    assert post("track", {"userId": "u1", "event": "E", **fields}) == OK
    assert InboxMessage.objects.get().payload["timestamp"] == time.isoformat()


def test_the_batchs_sent_at_counts_for_its_messages(post):
    item = {
        "type": "track",
        "userId": "u1",
        "event": "E",
        "timestamp": "2026-03-01T12:50:00Z",
    }
    assert post("batch", {"batch": [item], "sentAt": "2026-03-01T13:00:00Z"}) == OK
    assert (
        InboxMessage.objects.get().payload["timestamp"] == "2026-03-01T11:50:00+00:00"
    )


def test_a_batch_keeps_its_good_messages_and_names_the_others(post):
    good = {"type": "identify", "userId": "u1"}
    items = [
        good,
        {"type": "identify"},
        {"type": "page", "userId": "u1"},
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
                    "message": "Send a userId, an anonymousId or both.",
                },
                {
                    "index": 2,
                    "code": "not_supported",
                    "message": "“page” is not supported yet. Send identify or track.",
                },
                {
                    "index": 3,
                    "code": "invalid",
                    "message": "A message is a JSON object.",
                },
            ],
        },
    )
    assert InboxMessage.objects.count() == 2
