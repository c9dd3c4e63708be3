"""The Test API page before hostile people and hostile servers: no 500, nothing lost."""

import html

import pytest

from externalapi.models import ConfigurationTest
from tests.doubles.raw_server import RawServer, always, response
from tests.externalapi.admin.testing.test_page import page_of
from tests.factories import make_connection, make_version, parameter

pytestmark = pytest.mark.django_db

TYPES = ("text", "integer", "number", "boolean", "datetime", "list", "object")
MEGABYTE = 1_000_000
TYPED = {
    "huge digits": "9" * 5_000,
    "past 64 bits": str(2**64),
    "overflowing": "1e400",
    "vanishing": "1e-400",
    "minus nothing": "-0.0",
    "NaN": "NaN",
    "Arabic digits": "٣٤",
    "full-width digits": "１２",
    "superscript": "²",
    "underscores": "1_000",
    "bidi": "\u202egnp.exe\u202c\u2066x\u2069",
    "bidi digits": "\u202e12",
    "invisible": "\u200b\u2060\ufeff",
    "astral": "𝒳🏳️‍🌈" * 40,
    "noncharacter": "\ufffe\uffff\U0010ffff",
    "controls": "\x01\x1b[31m\x7f\x85\u2028\u2029",
    "NUL": "a\0b",
    "a megabyte": "x" * MEGABYTE,
    "a megabyte of spaces": " " * MEGABYTE,
    "a megabyte of digits": "1" * MEGABYTE,
    "a megabyte of accents": "e" + "\u0301" * (MEGABYTE // 2),
    "braces": "{{" * 1_000 + "}}" * 1_000,
    "markup": "</script><script>alert(1)</script>\"'><img src=x onerror=alert(1)>",
    "deep list": "[" * 100_000,
    "closed deep list": "[" * 900 + "]" * 900,
    "deep object": '{"a":' * 100_000,
    "surrogate escape": '["\\ud800"]',
    "surrogate key": '{"\\udfff": 1}',
    "infinite in a list": "[1e999]",
    "huge in a list": f"[{'9' * 5_000}]",
    "NaN in an object": '{"a": NaN}',
    "NUL escape": '{"a": "\\u0000"}',
    "twice a key": '{"a": 1, "a": 2}',
    "end of time": "9999-12-31T23:59:59-14:00",
    "begin of time": "0001-01-01T00:00:00+14:00",
    "begin of local time": "0001-01-01T00:00:00",
    "year 10000": "+10000-01-01T00:00:00Z",
    "odd offset": "2025-01-31T09:30:00+23:59:59.999999",
    "Arabic date": "٢٠٢٥-٠١-٣١T٠٩:٣٠:٠٠",
    "week date": "2025-W05-5",
    "leap second": "2025-06-30T23:59:60Z",
}


@pytest.fixture
def version(settings):
    with RawServer(always(response())) as server:
        settings.ALLOWED_LOCAL_ADDRESSES = [server.address]
        yield make_version(
            {kind: f"{{{{{kind}}}}}" for kind in TYPES},
            [parameter(kind, type=kind, required=False) for kind in TYPES],
            connection=make_connection(base_url=f"http://{server.address}"),
            batching="one",
        )


@pytest.mark.parametrize("name", TYPED)
def test_whatever_is_typed_is_sent_or_refused_at_its_input(admin_client, version, name):
    """At all inputs at once, and then at those that took it; the longest at each."""
    text = TYPED[name]
    every = [f"p{position}" for position in range(len(TYPES))]
    is_long = len(text.encode()) >= MEGABYTE
    for inputs in [[one] for one in every] if is_long else [every]:
        page = typed_at(admin_client, version, text, inputs)
        if refused := page.context["form"].errors:
            assert refused.keys() <= set(inputs)
            kept = html.unescape(page.text).replace("\r\n", "\n")
            shown = text.replace("\0", "\ufffd")[:500], text[:500]
            assert max(map(kept.count, shown)) >= len(inputs)
            inputs = [one for one in inputs if one not in refused]
            if not inputs:
                continue
            page = typed_at(admin_client, version, text, inputs)
            assert not page.context["form"].errors
        assert ConfigurationTest.objects.get().response["status"] == 201
        assert admin_client.get(page_of(version)).status_code == 200
        ConfigurationTest.objects.all().delete()


def typed_at(client, version, text, inputs):
    """The page after it was sent with the text at these inputs."""
    typed = dict.fromkeys(inputs, text)
    page = client.post(page_of(version), typed, follow=True)
    assert page.status_code == 200
    assert "<script>alert" not in page.text
    return page


def answer(body=b"{}", status="201 Created", *headers):
    return response(body, status, *headers)


ANSWERS = {
    "a name with NUL": answer(b"{}", "200 OK", "X-\0a: b"),
    "a value with NUL": answer(b"{}", "200 OK", "X-A: \0b"),
    "bytes in headers": b"HTTP/1.1 200 OK\r\nX-\xff\xfe: \xff\xc3\r\nContent-Length: 2\r\n\r\n{}",
    "a folded header": answer(b"{}", "200 OK", "X-A: b", " folded"),
    "many headers": answer(b"{}", "200 OK", *(f"X-{n}: {n}" for n in range(90))),
    "too many headers": answer(b"{}", "200 OK", *(f"X-{n}: {n}" for n in range(5_000))),
    "a long header": answer(b"{}", "200 OK", f"X-A: {'x' * 60_000}"),
    "a longer header": answer(b"{}", "200 OK", f"X-A: {'x' * 100_000}"),
    "an odd status": answer(b"{}", "999 \xe2\x80\xae"),
    "a status of zeros": answer(b"{}", "000 Nothing"),
    "a huge status": answer(b"{}", "99999999999999999999 OK"),
    "a negative status": answer(b"{}", "-200 OK"),
    "deep lists": answer(b"[" * 30_000 + b"]" * 30_000),
    "deep objects": answer(b'{"message":' * 5_000 + b"1" + b"}" * 5_000),
    "a deep message": answer(b'{"message":' + b"[" * 900 + b"]" * 900 + b"}"),
    "huge digits": answer(b'{"message":"success","n":' + b"9" * 5_000 + b"}"),
    "many errors": answer(
        b'{"message":"success","errors":[' + b"{}," * 20_000 + b"{}]}"
    ),
    "odd errors": answer(b'{"message":"success","errors":{"a":[[[]]],"\\u0000":1}}'),
    "NUL escapes": answer(
        b'{"message":"\\u0000\\u0000","errors":["\\u0000"]}', "400 Bad"
    ),
    "surrogates": answer(b'{"message":"\\ud800"}', "400 Bad"),
    "bytes of surrogates": answer(b'{"message":"\xed\xa0\x80"}', "400 Bad"),
    "bidi": answer(
        '{"message":"\u202e\u2066<script>alert(1)</script>"}'.encode(), "400 Bad"
    ),
    "a limit of nonsense": answer(
        b"{}",
        "429 Too Many",
        "X-RateLimit-Remaining: 9e99",
        "X-RateLimit-Reset: -1",
        "X-RateLimit-Limit: 99999999999999999999999",
        "Retry-After: 9999999999999",
    ),
    "a date of nonsense": answer(
        b"{}",
        "429 Too Many",
        "Date: Mon, 99 Foo 99999 99:99:99 +9999",
        "Retry-After: Fri, 31 Dec 9999 23:59:59 -9999",
    ),
    "a far reset": answer(
        b"{}",
        "429 Too Many",
        "X-RateLimit-Limit: 5",
        "X-RateLimit-Remaining: 0",
        "X-RateLimit-Reset: 9999999999999",
    ),
    "a bad length": b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n{}",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    "a huge length": b"HTTP/1.1 200 OK\r\nContent-Length: "
    + b"9" * 5_000
    + b"\r\n\r\n{}",
    "a bad chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}",
    "a huge chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    + b"f" * 60
    + b"\r\n{}",
    "no HTTP": b"SSH-2.0-OpenSSH_9\r\n\r\n",
    "a charset of nonsense": answer(b"{}", "200 OK", "Content-Type: a; charset=\xff\0"),
    "an encoding of nonsense": answer(b"{}", "200 OK", "Content-Encoding: br, gzip, x"),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_whatever_is_answered_is_shown_and_kept(admin_client, settings, name):
    def once(connection, server):
        server.read_request(connection)
        connection.sendall(ANSWERS[name])

    with RawServer(once) as server:
        settings.ALLOWED_LOCAL_ADDRESSES = [server.address]
        connection = make_connection(base_url=f"http://{server.address}")
        version = make_version({"attributes": [{"a": 1}]}, [], connection=connection)
        page = admin_client.post(page_of(version), {}, follow=True)
    assert page.status_code == 200
    assert "<script>alert" not in page.text
    assert ConfigurationTest.objects.get().response["outcome"]
    history = page_of(version).replace("/test/", "/test/history/")
    assert admin_client.get(history).status_code in (200, 404)
