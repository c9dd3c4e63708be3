"""Segment's HTTP tracking spec: each call, and what of it waits in the inbox."""

import json
from datetime import timedelta

import pytest

from lemnisk_braze.lib import database_clock
from segments.models import InboxRequest, RefusedMessage
from segments.tracking import replaying
from tests.inbox import the_only_one, waiting

OK = (200, {"success": True})


def payload():
    """What the one message in the inbox says, but for its time."""
    message = the_only_one()
    return message.kind, {
        name: value for name, value in message.payload.items() if name != "timestamp"
    }


@pytest.mark.parametrize(
    ("path", "body", "event", "properties"),
    [
        (
            "page",
            {"name": "Home", "category": "Start", "properties": {"path": "/"}},
            "Page Viewed",
            {"path": "/", "name": "Home", "category": "Start"},
        ),
        ("page", {"name": None, "properties": {"name": "Own"}}, "Page Viewed", {"name": "Own"}),
        ("screen", {"name": "Inbox"}, "Screen Viewed", {"name": "Inbox"}),
        (
            "group",
            {"groupId": 42, "traits": {"plan": "gold"}},
            "Group Joined",
            {"plan": "gold", "group_id": "42"},
        ),
    ],
)  # fmt: skip
def test_what_people_look_at_and_join_is_something_they_did(
    post, path, body, event, properties
):
    for way in (path, path[0]):
        assert post(way, {"anonymousId": "a1", **body}) == OK
        expected = {"anonymousId": "a1", "event": event, "properties": properties}
        assert payload() == ("track", expected)
        InboxRequest.objects.all().delete()


@pytest.mark.parametrize("path", ["batch", "import", "b"])
def test_a_batch_has_three_names(post, path):
    items = [
        {"type": kind, "userId": "u1", "event": "E", "groupId": "g"}
        for kind in ("identify", "track", "page", "screen", "group")
    ]
    assert post(path, {"batch": items}) == OK
    kinds = [message.kind for message in waiting()]
    assert kinds == ["identify"] + 4 * ["track"]


def test_traits_come_along_with_anything(post):
    """RudderStack's browser library sends a person's traits in the context alone."""
    context = {"traits": {"plan": "gold", "city": "Pune"}, "library": {"name": "x"}}
    body = {"userId": "u1", "context": context, "traits": {"city": "Delhi"}}
    assert post("identify", body) == OK
    assert payload()[1]["traits"] == {"plan": "gold", "city": "Delhi"}
    InboxRequest.objects.all().delete()
    assert post("track", {"userId": "u1", "event": "E", "context": context}) == OK
    assert payload()[1]["traits"] == {"plan": "gold", "city": "Pune"}


def test_traits_that_cannot_be_kept_do_not_take_the_event_along(post):
    context = {"traits": {"phone": "1" * 33}}
    status, answer = post("track", {"userId": "u1", "event": "E", "context": context})
    assert (status, answer["warnings"][0]["code"]) == (200, "traits_left_out")
    assert "traits" not in payload()[1]


def test_other_names_of_a_person(post):
    context = {
        "externalId": [{"type": "crmId", "id": 9007199254740993}],
        "externalIds": [
            {"type": "braze_id", "id": "b1", "collection": "users"},
            {"type": "email", "id": "a@b.example"},
            {"type": "two words", "id": "x"},
            {"type": "blank", "id": " "},
            "x",
        ],
    }
    assert post("track", {"userId": "u1", "event": "E", "context": context}) == OK
    assert payload()[1]["ids"] == [["crmid", "9007199254740993"], ["braze_id", "b1"]]


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("9007199254740992", "9007199254740992"),
        ("9007199254740993", "9007199254740993"),
        ("123456789012345678901234567890", "123456789012345678901234567890"),
        ("5.0", "5.0"),
        ("1e21", "1e21"),
        ("9007199254740993.0", "9007199254740993.0"),
    ],
)
def test_an_id_that_is_a_number_keeps_its_digits(post, sent, kept):
    one = f'{{"type":"track","event":"E","userId":{sent},"messageId":{sent}}}'
    assert post("track", one) == OK
    message = the_only_one()
    assert (message.payload["userId"], message.message_id) == (kept, kept)
    InboxRequest.objects.all().delete()
    assert post("batch", f'{{"batch":[{{"type":"track"}},{one}]}}')[0] == 200
    message = the_only_one()
    assert (message.payload["userId"], message.message_id) == (kept, kept)


def test_fields_that_nobody_knows_are_kept_out(post):
    body = {"userId": "u1", "event": "E", "context": "odd", "traits": {"a": 1}, "x": {}}
    assert post("track", body) == OK
    assert payload() == ("track", {"userId": "u1", "event": "E", "properties": {}})


@pytest.mark.parametrize(
    "odd", ['"x\\u0000"', "9" * 40, "[" * 300 + "]" * 300, '{"\\u0000":1}', "-1e308"]
)
def test_what_is_kept_out_may_be_anything(post, odd):
    """Also where it could not be stored: it is not."""
    when = '"timestamp":"2026-01-31T12:00:00Z"'
    body = f'{{"userId":"u1","event":"E",{when},"x":{odd},"context":{{"y":{odd}}}}}'
    assert post("track", body) == OK
    assert payload() == ("track", {"userId": "u1", "event": "E", "properties": {}})
    [again] = post("batch", f'{{"batch":[{body[:-1]},"type":"track"}}]}}')[:1]
    assert again == 200


def test_traits_beside_that_cannot_be_stored_are_left_out(post):
    context = '{"traits":{"plan":"gold\\u0000"}}'
    body = f'{{"userId":"u1","event":"E","context":{context}}}'
    status, answer = post("track", body)
    assert (status, answer["warnings"][0]["code"]) == (200, "traits_left_out")
    assert "traits" not in payload()[1]


@pytest.mark.parametrize("name", ["timestamp", "originalTimestamp", "sentAt"])
@pytest.mark.parametrize(
    ("value", "status"),
    [("", 200), (None, 200), (0, 400), (False, 400), ([], 400), ({}, 400)],
)
def test_a_time_is_there_or_not(post, name, value, status):
    assert post("track", {"userId": "u1", "event": "E", name: value})[0] == status


def test_a_time_in_the_future_is_that_of_receipt_with_a_warning(post):
    begun = database_clock.now()
    ahead = (begun + timedelta(days=2)).isoformat()
    status, answer = post("track", {"userId": "u1", "event": "E", "timestamp": ahead})
    assert (status, answer["warnings"]) == (
        200,
        [
            {
                "index": 0,
                "code": "future_time",
                "message": "A time in the future: taken is that of receipt.",
            }
        ],
    )
    at = the_only_one().payload["timestamp"]
    assert begun.isoformat() <= at <= database_clock.now().isoformat()


def test_a_message_without_an_id_that_says_when_it_was_is_there_once(post):
    at = {"timestamp": "2026-01-31T12:00:00Z"}
    body = {"type": "track", "userId": "u1", "event": "E", **at}
    for sent_at in ("2026-01-31T12:00:01Z", "2026-01-31T12:00:09Z"):
        assert post("batch", {"batch": [body], "sentAt": sent_at}) == OK
    assert post("batch", {"batch": [body | {"event": "F"}]}) == OK
    first, again, other = (message.message_id for message in waiting())
    assert first == again != other


def test_one_that_nobody_can_read_takes_no_other_along(post):
    good = '{"type":"track","userId":"u1","event":"E","messageId":"m%d"}'
    broken = [
        '{"a":1,"a":2}',
        '{"type":"track","userId":"u1","event":"E","properties":{"n":NaN}}',
        r'{"userId":"\ud800"}',
        '{"n":01}',
        "[" * 40 + "]" * 40,
        '"]}"',
        f'{{"n":{"9" * 5_000}}}',
    ]
    items = [good % 1, *broken, good % 2]
    body = f'{{"sentAt":null,"batch":[{" , ".join(items)}],"writeKey":"x"}}'
    for _ in range(2):
        status, answer = post("batch", body)
        assert (status, answer["accepted"]) == (200, 2)
        indexes = [each["index"] for each in answer["refused"]]
        assert indexes == list(range(1, len(broken) + 1))
    assert [message.message_id for message in waiting()] == 2 * ["m1", "m2"]


@pytest.mark.parametrize(
    "body",
    [
        '{"batch":[{"type":"identify","userId":"u1","traits":{"a":1,"a":1}}]}',
        r'{"batch":[{"type":"identify","userId":"u1","traits":{"a":"x\u0022:","a":1}}]}',
        r'{"batch":[{"type":"identify","userId":"u1","traits":{"b":"\u003ax","a":1,"a":2}}]}',
        '{"batch":[{"type":"identify","userId":"u1","traits":{"b":":x","a" :1,"a":2}}]}',
    ],
)
def test_a_key_that_is_there_twice_is_never_missed(post, body):
    status, answer = post("batch", body)
    assert (status, answer["message"]) == (400, "The key “a” is there twice.")


def test_what_counts_itself_is_heard_out(client):
    response = client.post("/v1/m", b'{"series":[]}', content_type="text/plain")
    assert (response.status_code, response.json()) == OK


# --- What is refused ----------------------------------------------------------------


def test_a_refused_message_is_kept_with_its_body(post, source):
    body = {"userId": "u1", "messageId": "m1", "traits": []}
    assert post("identify", body)[0] == 400
    row = RefusedMessage.objects.get()
    assert (row.source, row.stage, row.code) == (source, "door", "invalid_traits")
    assert (row.kind, row.message_id) == ("identify", "m1")
    assert row.message == "traits is a JSON object."
    assert json.loads(bytes(row.body)) == body


def test_refused_messages_of_a_batch_are_kept_each_by_itself(post):
    items = [{"type": "x", "messageId": "m1"}, {}, 5, {"type": "identify", "userId": 1}]
    assert post("batch", {"batch": items, "sentAt": "2026-01-31T12:00:00Z"})[0] == 200
    rows = RefusedMessage.objects.order_by("pk")
    assert [json.loads(bytes(row.body)) for row in rows] == [
        {"sentAt": "2026-01-31T12:00:00Z", **items[0]},
        {"sentAt": "2026-01-31T12:00:00Z"},
        5,
    ]
    assert [row.message_id for row in rows] == ["m1", "", ""]


@pytest.mark.parametrize("body", ["{", '{"batch":5}', '{"batch":[]}'])
def test_a_batch_that_is_none_is_kept_as_a_whole(post, body):
    assert post("batch", body)[0] == 400
    row = RefusedMessage.objects.get()
    assert (row.kind, bytes(row.body).decode()) == ("batch", body)


def test_what_has_no_key_or_is_broken_on_the_way_is_not_kept(post):
    post("identify", {}, key="wrong")
    post("identify", b"no gzip", **{"Content-Encoding": "gzip"})
    post("identify", "{}", **{"Content-Type": "text/html"})
    assert not RefusedMessage.objects.exists()


def test_what_was_refused_is_sent_in_again(post, source):
    """As after a fix: what the door of an older version refused."""
    body = {
        "userId": "u1",
        "event": "E",
        "messageId": "m1",
        "timestamp": "2026-01-31T12:00:00Z",
    }
    rows = [
        RefusedMessage(source=source, code="old", kind=kind, body=json.dumps(each).encode(), stage=stage, message_id="m4")
        for kind, each, stage in (
            ("track", body, "door"),
            ("", {"type": "track", **body, "messageId": "m2"}, "door"),
            ("batch", {"batch": [{"type": "track", **body, "messageId": "m3"}]}, "door"),
            ("track", body, "applying"),
            ("track", {"userId": "u1"}, "door"),
        )
    ]  # fmt: skip
    RefusedMessage.objects.bulk_create(rows)
    done = replaying.replay(RefusedMessage.objects.filter(source=source))
    assert (done.taken, done.refused) == (4, 1)
    assert [message.message_id for message in waiting()] == ["m1", "m2", "m3", "m4"]
    left = RefusedMessage.objects.get(replayed_at=None)
    assert left.message == "event is a name of 1 to 255 characters."
    again = replaying.replay(RefusedMessage.objects.filter(source=source))
    assert (again.taken, again.refused) == (0, 1)
