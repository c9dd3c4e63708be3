"""Bad input over HTTP: each concrete body with its status and its text."""

import gzip
import io
import json
import random
import time
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models.functions import Now

from segments.models import InboxRequest, Source, WriteKey
from segments.tracking import validation, views, write_keys
from tests.inbox import waiting
from tests.segments.tracking.conftest import basic

USER = '"userId":"u1"'
MEMBERS = ",".join(f'"n{i}":1' for i in range(201))
# Characters that do not compress: 950 of them, 2,850 bytes.
CJK = "".join(map(chr, random.Random(1).sample(range(0x4E00, 0x9FA5), 950)))


def identify(inner):
    return f'{{{USER},"traits":{{{inner}}}}}'


BAD_JSON = "The body is not valid JSON, or holds a number without a value."
TABLE = {
    "nothing": ("identify", " ", 400, BAD_JSON),
    "not JSON": ("identify", "userId=u1", 400, BAD_JSON),
    "cut off": ("identify", '{"userId":"u1"', 400, BAD_JSON),
    "a list": ("identify", "[]", 400, "Send a JSON object."),
    "UTF-16": ("identify", "{}".encode("utf-16"), 400, BAD_JSON),
    "not UTF-8": ("identify", b'{"userId":"\xff"}', 400, BAD_JSON),
    "depth bomb": ("identify", "[" * 30_000, 400, BAD_JSON),
    "deep objects": (
        "identify",
        identify('"a":' + "[" * 30 + "]" * 30),
        400,
        "Nest values at most 20 deep.",
    ),
    "5,000 digits": ("identify", identify('"a":' + "9" * 5_000), 400, BAD_JSON),
    "65 bits": (
        "identify",
        identify('"a":36893488147419103232'),
        400,
        "Whole numbers have at most 64 bits; send a longer one as text.",
    ),
    "NaN": ("identify", identify('"a":NaN'), 400, BAD_JSON),
    "Infinity": ("identify", identify('"a":-Infinity'), 400, BAD_JSON),
    "1e400": ("identify", identify('"a":1e400'), 400, BAD_JSON),
    "duplicate key": (
        "identify",
        identify('"a":1,"b":2,"a":3'),
        400,
        "The key “a” is there twice.",
    ),
    "NUL": (
        "identify",
        identify(r'"a":"x\u0000"'),
        400,
        r"The character \u0000 cannot be stored.",
    ),
    "NUL in a name": (
        "identify",
        identify(r'"a\u0000":[1]'),
        400,
        "Names in traits are one line of visible characters each.",
    ),
    "NUL in an id": ("identify", r'{"userId":"\u0000"}', 400, "userId is one line of visible characters."),
    "lone surrogate": ("identify", identify(r'"a":"\ud800"'), 400, BAD_JSON),
    "201 attributes": ("identify", identify(MEMBERS), 400, "traits has at most 200 entries."),
    "201 properties": (
        "track",
        f'{{{USER},"event":"E","properties":{{{MEMBERS}}}}}',
        400,
        "properties has at most 200 entries.",
    ),
    "long name": (
        "identify",
        identify(f'"{"n" * 256}":1'),
        400,
        "Names in traits have 1 to 255 characters.",
    ),
    "empty name": ("identify", identify('"":1'), 400, "Names in traits have 1 to 255 characters."),
    "traits a list": ("identify", f'{{{USER},"traits":[]}}', 400, "traits is a JSON object."),
    "email a number": (
        "identify",
        identify('"email":5'),
        400,
        "traits.email is a text of at most 320 characters.",
    ),
    "long phone": (
        "identify",
        identify(f'"phone":"{"1" * 33}"'),
        400,
        "traits.phone is a text of at most 32 characters.",
    ),
    "no ids": ("identify", "{}", 400, validation.NOBODY),
    "empty ids": (
        "identify",
        '{"userId":"","anonymousId":null}',
        400,
        validation.NOBODY,
    ),
    "blank id": ("identify", '{"userId":" "}', 400, "userId is one line of visible characters."),
    "id of a list": ("identify", '{"userId":[5]}', 400, "userId is a text or a number."),
    "id true": ("identify", '{"userId":true}', 400, "userId is a text or a number."),
    "long id": (
        "identify",
        f'{{"anonymousId":"{"a" * 256}"}}',
        400,
        "anonymousId has between 1 and 255 characters.",
    ),
    "long messageId": (
        "identify",
        f'{{{USER},"messageId":"{"a" * 256}"}}',
        400,
        "messageId has between 1 and 255 characters.",
    ),
    "long user id": (
        "identify",
        f'{{"userId":"{"u" * 988}"}}',
        400,
        "userId has at most 987 bytes.",
    ),
    "user id of many bytes": (
        "track",
        f'{{"event":"E","userId":"{CJK}"}}',
        400,
        "userId has at most 987 bytes.",
    ),
    "id with a direction": (
        "identify",
        r'{"userId":"u\u202e1"}',
        400,
        "userId is one line of visible characters.",
    ),
    "anonymous id with a new line": (
        "identify",
        r'{"anonymousId":"a\nb"}',
        400,
        "anonymousId is one line of visible characters.",
    ),
    "messageId with an escape": (
        "identify",
        rf'{{{USER},"messageId":"\u001b[2J"}}',
        400,
        "messageId is one line of visible characters.",
    ),
    "e-mail that grows": (
        "identify",
        identify(f'"email":"{"İ" * 320}"'),
        400,
        "traits.email is a text of at most 320 characters.",
    ),
    "event with a direction": (
        "track",
        rf'{{{USER},"event":"Lead \u202edaeL"}}',
        400,
        "event is one line of visible characters.",
    ),
    "event with an escape": (
        "track",
        rf'{{{USER},"event":"\u001b[31mLead"}}',
        400,
        "event is one line of visible characters.",
    ),
    "event of two lines": (
        "track",
        rf'{{{USER},"event":"Lead\nERROR"}}',
        400,
        "event is one line of visible characters.",
    ),
    "event with nothing in it": (
        "track",
        rf'{{{USER},"event":"Lead\u200b"}}',
        400,
        "event is one line of visible characters.",
    ),
    "name of two lines": (
        "identify",
        identify(r'"a\r\nb":1'),
        400,
        "Names in traits are one line of visible characters each.",
    ),
    "property's name with a direction": (
        "track",
        rf'{{{USER},"event":"E","properties":{{"\u2066a":1}}}}',
        400,
        "Names in properties are one line of visible characters each.",
    ),
    "deep, not too deep for a parser": (
        "identify",
        identify('"a":' + "[" * 900 + "]" * 900),
        400,
        "Nest values at most 20 deep.",
    ),
    "no event": ("track", f"{{{USER}}}", 400, "event is a name of 1 to 255 characters."),
    "long event": (
        "track",
        f'{{{USER},"event":"{"e" * 256}"}}',
        400,
        "event is a name of 1 to 255 characters.",
    ),
    "naive time": (
        "identify",
        f'{{{USER},"timestamp":"2026-01-31T12:00:00"}}',
        400,
        "timestamp is an ISO 8601 time with a zone: 2026-01-31T12:00:00Z.",
    ),
    "no time": (
        "identify",
        f'{{{USER},"timestamp":"yesterday"}}',
        400,
        "timestamp is an ISO 8601 time with a zone: 2026-01-31T12:00:00Z.",
    ),
    "number time": (
        "identify",
        f'{{{USER},"sentAt":1767225600}}',
        400,
        "sentAt is an ISO 8601 time with a zone: 2026-01-31T12:00:00Z.",
    ),
    "year 1": (
        "identify",
        f'{{{USER},"timestamp":"0001-01-01T00:00:00+23:00"}}',
        400,
        "timestamp is between the years 2000 and 2200.",
    ),
    "year 9999": (
        "identify",
        f'{{{USER},"timestamp":"9999-12-31T23:59:59-23:00"}}',
        400,
        "timestamp is between the years 2000 and 2200.",
    ),
    "other type": ("identify", f'{{{USER},"type":"track"}}', 400, "type is identify here."),
    "big message": (
        "identify",
        identify(f'"a":"{"x" * 33_000}"'),
        413,
        "A message has at most 32 KB.",
    ),
    "big body": ("identify", " " * 40_000, 413, "Send at most 36 KB a request."),
    "big batch": ("batch", " " * 520_000, 413, "Send at most 500 KB a request."),
    "no batch": ("batch", "{}", 400, "batch is a list of messages."),
    "empty batch": ("batch", '{"batch":[]}', 400, "batch is a list of messages."),
    "many messages": (
        "batch",
        json.dumps({"batch": [1] * 2_501}),
        413,
        "Send at most 2,500 messages a batch.",
    ),
    "alias": ("alias", f"{{{USER}}}", 400, "alias has a userId and a previousId."),
    "group without an id": ("group", f"{{{USER}}}", 400, "group has a groupId."),
}  # fmt: skip


@pytest.mark.parametrize("case", TABLE)
def test_bad_input_is_refused_with_a_reason(post, case):
    path, body, status, message = TABLE[case]
    answered, answer = post(path, body)
    assert (answered, answer["message"]) == (status, message)
    assert answer["success"] is False
    assert answer["code"]
    assert not InboxRequest.objects.exists()


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ({"userId": "u1"}, "type is one of identify, track, page, screen, group, alias."),
        ({"userId": "u1", "type": "group"}, "group has a groupId."),
        ({"type": "identify", "userId": "u1", "traits": {"a": "x" * 33_000}}, "A message has at most 32 KB."),
        ({"type": "identify", "userId": "u1", "traits": {"a": "\0"}}, r"The character \u0000 cannot be stored."),
    ],
)  # fmt: skip
def test_a_bad_message_of_a_batch_is_named(post, item, message):
    good = {"type": "identify", "userId": "u2"}
    status, answer = post("batch", {"batch": [item, good]})
    assert (status, answer["accepted"]) == (200, 1)
    assert [(r["index"], r["message"]) for r in answer["refused"]] == [(0, message)]


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Basic",
        "Basic Og==",
        "Basic %%%",
        "Basic /w==",
        "Basic \xe9",
        "Basic ü",
        "\xe9",
        "Bearer abc",
        basic("wrong"),
    ],
)
def test_without_a_right_write_key_nothing_is_taken(client, post, header):
    headers = {} if header is None else {"Authorization": header}
    status, answer = post("identify", {"userId": "u1"}, key=None, **headers)
    assert (status, answer["code"]) == (401, "unauthorized")


def test_a_revoked_key_and_that_of_a_source_that_is_off_are_refused(
    post, source, write_key
):
    body = {"userId": "u1"}
    for is_active, status in ((False, 401), (True, 200)):
        Source.objects.update(is_active=is_active)
        write_keys.forget()
        assert post("identify", body)[0] == status
    fresh = write_keys.issue(source)
    write_keys.revoke(WriteKey.objects.get(last_four=write_key[-4:]))
    assert post("identify", body)[0] == 401
    assert post("identify", body, key=fresh)[0] == 200


def test_what_a_process_knows_of_a_key_it_knows_for_a_moment(
    post, source, monkeypatch, django_assert_num_queries
):
    body = {"userId": "u1"}
    assert post("identify", body)[0] == 200
    with django_assert_num_queries(1):
        post("identify", body)
    # Another process, which cannot tell this one.
    WriteKey.objects.update(revoked_at=Now())
    assert post("identify", body)[0] == 200
    monkeypatch.setattr(write_keys, "KNOWN_FOR", -1)
    write_keys.forget()
    assert post("identify", body)[0] == 401


def test_when_a_key_was_used_last_is_written_once_a_minute(post, monkeypatch):
    monkeypatch.setattr(write_keys, "KNOWN_FOR", -1)

    def used():
        post("identify", {"userId": "u1"})
        return WriteKey.objects.get().last_used_at

    first = used()
    assert used() == first
    WriteKey.objects.update(last_used_at=first - timedelta(seconds=61))
    assert used() > first


def test_a_wrong_key_in_the_header_is_not_helped_by_the_body(post, write_key):
    body = {"userId": "u1", "writeKey": write_key}
    assert post("identify", body, key="wrong")[0] == 401


def test_a_write_key_that_is_not_a_text_is_refused(post):
    assert post("identify", {"userId": "u1", "writeKey": 5}, key=None)[0] == 401


def test_only_the_hash_of_a_key_is_stored(source, write_key):
    stored = WriteKey.objects.values().get()
    assert write_key not in str(stored)
    assert stored["last_four"] == write_key[-4:]
    assert len(write_key) >= 32


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"])
def test_other_verbs_are_refused(client, method):
    response = client.generic(method, "/v1/batch")
    assert (response.status_code, response["Allow"]) == (405, "POST")


@pytest.mark.parametrize(
    "kind", ["text/html", "multipart/form-data; boundary=x", "application/jsonx"]
)
def test_other_content_types_are_refused(post, kind):
    status, answer = post("identify", {"userId": "u1"}, **{"Content-Type": kind})
    assert (status, answer["message"]) == (415, "Send Content-Type: application/json.")


def test_a_charset_beside_the_content_type_is_fine(post):
    kind = "application/json; charset=utf-8"
    assert post("identify", {"userId": "u1"}, **{"Content-Type": kind})[0] == 200


def test_a_beacon_sends_its_json_as_plain_text(post, write_key):
    body = {"userId": "u1", "writeKey": write_key}
    kind = {"Content-Type": "text/plain;charset=UTF-8"}
    assert post("identify", body, key=None, **kind)[0] == 200
    assert InboxRequest.objects.count() == 1


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip"])
def test_other_encodings_are_refused(post, encoding):
    status, answer = post(
        "identify", {"userId": "u1"}, **{"Content-Encoding": encoding}
    )
    assert (status, answer["message"]) == (415, "Send plain JSON or gzip.")


def test_a_gzip_bomb_is_cut_at_the_limit(post):
    assert post("batch", b" " * 50_000_000, zipped=True)[0] == 413


WHOLE = gzip.compress(b'{"userId":"u1"}')


@pytest.mark.parametrize(
    "data",
    [b"plain", WHOLE[:-9], WHOLE + WHOLE, WHOLE + b"{}"],
    ids=["plain", "cut", "twice", "with a tail"],
)
def test_broken_gzip_is_refused(post, data):
    status, answer = post("identify", data, **{"Content-Encoding": "gzip"})
    assert (status, answer["code"]) == (400, "bad_gzip")


def test_a_body_over_the_limit_is_not_read(rf, write_key):
    """The request's stream raises on reading: the answer comes without it."""

    class Untouchable:
        def read(self, *args):
            raise AssertionError("read")

    request = rf.post(
        "/v1/batch",
        content_type="application/json",
        headers={"Authorization": basic(write_key)},
    )
    request.META["CONTENT_LENGTH"] = str(600 << 10)
    request._stream = Untouchable()
    assert views.batch(request).status_code == 413


@pytest.mark.parametrize("length", ["-1", "abc", "1e3", "²", "٣"])
def test_an_odd_content_length_is_refused(client, write_key, length):
    response = client.post(
        "/v1/identify",
        b'{"userId":"u1"}',
        content_type="application/json",
        headers={"Authorization": basic(write_key)},
        CONTENT_LENGTH=length,
    )
    assert response.status_code == 400
    assert response.json()["code"] == "bad_length"


def test_a_body_that_ends_before_its_length_is_refused(rf, write_key):
    """Though what came of it could be read."""
    data = b'{"userId":"u1"}'
    request = rf.post(
        "/v1/identify",
        content_type="application/json",
        headers={"Authorization": basic(write_key)},
        CONTENT_LENGTH=str(len(data) + 9),
        **{"wsgi.input": io.BytesIO(data)},
    )
    response = views.single(request, kind="identify")
    assert (response.status_code, json.loads(response.content)["code"]) == (
        400,
        "cut_off",
    )
    assert not InboxRequest.objects.exists()


def test_a_content_length_of_5000_digits_is_too_large(client, write_key):
    response = client.post(
        "/v1/identify",
        b'{"userId":"u1"}',
        content_type="application/json",
        headers={"Authorization": basic(write_key)},
        CONTENT_LENGTH="9" * 5_000,
    )
    assert response.status_code == 413


@pytest.mark.parametrize("body", ["{", '{"a":1,"a":2}', "[]", '"x"', '{"writeKey":[]}'])
def test_nobodys_body_is_not_judged(post, body):
    """Who has no key is told that, and nothing about what they sent."""
    for path in ("identify", "page", "batch"):
        assert post(path, body, key="wrong")[0] == 401
        assert post(path, body, key=None)[0] == 401


def test_the_head_is_looked_at_before_the_key(post):
    assert post("identify", "{}", key=None, **{"Content-Type": "text/html"})[0] == 415
    assert post("identify", b" " * 600_000, key=None)[0] == 413


def test_many_keys_cost_no_more_than_their_number(post, source):
    """Four times as many of them, the last one twice: not sixteen times the time."""

    def seconds(count, **headers):
        keys = ",".join(f'"k{n}":0' for n in [*range(count), count - 1])
        started = time.process_time()
        status, answer = post("batch", f"{{{keys}}}", **headers)
        assert status in (400, 401), answer
        return time.process_time() - started

    for headers in ({}, {"key": None}):
        assert seconds(40_000, **headers) < 0.5


@pytest.fixture
def unbounded(rf, write_key):
    """A request whose body has no length: the server says where it ends."""

    def ask(data, **extra):
        request = rf.post(
            "/v1/identify",
            content_type="application/json",
            headers={
                "Authorization": basic(write_key),
                "Transfer-Encoding": "chunked",
            },
        )
        del request.META["CONTENT_LENGTH"]
        request.META["wsgi.input"] = io.BytesIO(data)
        request.META.update(extra)
        return views.single(request, kind="identify")

    return ask


def test_a_chunked_body_is_read_with_the_same_cap(unbounded):
    ends = {"wsgi.input_terminated": True}
    assert unbounded(b'{"userId":"u1"}', **ends).status_code == 200
    assert unbounded(b" " * 40_000, **ends).status_code == 413
    assert unbounded(b'{"userId":"u1"}').status_code == 411


def test_a_body_that_is_not_well_chunked_is_refused(unbounded):
    class NoChunks:
        def read(self, size):
            raise ValueError("invalid chunk size")

    extra = {"wsgi.input_terminated": True, "wsgi.input": NoChunks()}
    assert unbounded(b"", **extra).status_code == 400


def test_the_database_refuses_one_message_and_takes_the_others(post, transactional_db):
    """Whatever the checks of the door do not know."""
    with connection.cursor() as cursor:
        cursor.execute(
            "ALTER TABLE segments_inboxrequest ADD CONSTRAINT odd"
            " CHECK (position('u2' IN encode(body, 'escape')) = 0)"
        )
    try:
        items = [{"type": "identify", "userId": f"u{n}"} for n in range(5)]
        status, answer = post("batch", {"batch": [*items, {"type": "x"}]})
        alone = post("identify", {"userId": "u2"})
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE segments_inboxrequest DROP CONSTRAINT odd")
    assert (status, answer["accepted"]) == (200, 4)
    named = [(r["index"], r["code"]) for r in answer["refused"]]
    assert named == [(2, "cannot_be_stored"), (5, "invalid")]
    assert (alone[0], alone[1]["code"]) == (400, "cannot_be_stored")
    assert len(waiting()) == 4
