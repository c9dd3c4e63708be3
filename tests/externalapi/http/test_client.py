import gc
import gzip
import threading
import time
import zlib

import pytest

from externalapi.answers import interpretation
from externalapi.http.answer_parser import AnswerParser
from externalapi.http.client import (
    AmbiguousError,
    GuardedClient,
    NotSentError,
    Request,
    TransportError,
)
from externalapi.http.wire import Exchange
from tests.doubles.kept_connections import KeptConnections
from tests.doubles.raw_server import RawServer, always, reset, response

WAYS = [GuardedClient, KeptConnections]


@pytest.fixture(params=WAYS, ids=lambda way: way.__name__)
def client(request):
    """Both ways out: a request opens its connection, or finds one that is open."""
    client = request.param()
    yield client
    client.close()


@pytest.fixture
def fresh():
    """Opens a connection where there is none."""
    client = GuardedClient()
    yield client
    client.close()


@pytest.fixture
def serve(settings):
    """Start a server with a handler; the settings allow its address."""
    started = []

    def start(handler, **kwargs):
        server = RawServer(handler, **kwargs).__enter__()
        started.append(server)
        settings.ALLOWED_LOCAL_ADDRESSES = [server.address]
        return server

    yield start
    for server in started:
        server.__exit__()


def request(server, body=b"{}", path="/users/track", method="POST", **headers):
    url = f"http://{server.address}{path}"
    return Request(method=method, url=url, headers=headers, body=body)


def test_a_request_is_sent_and_its_answer_returned(client, serve):
    server = serve(
        always(
            response(b'{"message":"success"}', "201 Created", "X-RateLimit-Limit: 9")
        )
    )
    answer = client.send(request(server, b'{"a":1}', **{"X-Mine": "yes"}), "the-key")
    assert answer.status == 201
    assert answer.body == b'{"message":"success"}'
    assert answer.headers["x-ratelimit-limit"] == "9"
    assert not answer.truncated
    assert 0 <= answer.duration_ms < 5_000
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[0] == b"POST /users/track HTTP/1.1"
    assert body == b'{"a":1}'
    assert sorted(line.split(b":")[0].lower() for line in lines[1:]) == [
        b"accept-encoding",
        b"authorization",
        b"content-length",
        b"host",
        b"user-agent",
        b"x-mine",
    ]
    assert b"Authorization: Bearer the-key" in lines
    assert f"Host: {server.address}".encode() in lines


@pytest.fixture
def no_garbage_collection():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize("body", [b"{}", b"x" * 100_000], ids=["whole", "cut off"])
@pytest.mark.usefixtures("no_garbage_collection")
def test_an_answer_is_freed_as_soon_as_it_is_read(client, serve, body):
    """A worker looks for circles once in some hundred thousand people."""
    server = serve(always(response(body)))
    for _ in range(5):
        assert client.send(request(server), "k").status == 201
    # By type: whoever asks a lazy object what it is makes it.
    answers = [x for x in gc.get_objects() if type(x) is AnswerParser]
    assert not [answer for answer in answers if answer.status]


def test_without_a_key_nothing_is_authorized(client, serve):
    server = serve(always(response()))
    client.send(request(server, None, method="GET"), "")
    assert b"authorization" not in server.requests[0].lower()
    assert b"content-length" not in server.requests[0].lower()


def test_a_connection_is_kept_for_the_next_request(client, serve):
    server = serve(always(response()))
    for _ in range(5):
        assert client.send(request(server), "k").status == 201
    assert server.connections == 1


@pytest.mark.parametrize(
    "answer",
    [
        response(b""),
        response(b"x" * 64 * 1024),
        b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\n\r\n",
    ],
    ids=["empty", "64 KB", "chunked", "204"],
)
def test_every_whole_answer_keeps_its_connection(client, serve, answer):
    server = serve(always(answer))
    for _ in range(3):
        assert not client.send(request(server), "k").truncated
    assert server.connections == 1


def test_a_giant_answer_is_cut_at_64_kb(client, serve):
    def endless(connection, server):
        server.read_request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            connection.sendall(b"x" * 65_536)

    answer = client.send(request(serve(endless)), "k")
    assert len(answer.body) == 64 * 1024
    assert answer.truncated


@pytest.mark.parametrize(
    ("encoding", "compress"), [("gzip", gzip.compress), ("deflate", zlib.compress)]
)
def test_a_compressed_answer_is_read_up_to_64_kb(client, serve, encoding, compress):
    small = serve(
        always(response(compress(b"hello"), "200 OK", f"Content-Encoding: {encoding}"))
    )
    answer = client.send(request(small), "k")
    assert (answer.body, answer.truncated) == (b"hello", False)
    bomb = compress(b"\0" * 50_000_000)
    large = serve(always(response(bomb, "200 OK", f"Content-Encoding: {encoding}")))
    answer = client.send(request(large), "k")
    assert (len(answer.body), answer.truncated) == (64 * 1024, True)


def test_a_redirect_is_an_answer_and_is_not_followed(client, serve):
    target = serve(always(response()))
    location = f"Location: http://{target.address}/elsewhere"
    server = serve(always(response(b"moved", "302 Found", location)))
    answer = client.send(request(server), "k")
    assert answer.status == 302
    assert target.connections == 0


def test_cookies_are_not_sent_back(client, serve):
    server = serve(always(response(b"", "201 Created", "Set-Cookie: a=b; Path=/")))
    client.send(request(server), "k")
    client.send(request(server), "k")
    assert b"cookie" not in server.requests[1].lower()


def test_the_environments_proxies_and_passwords_are_ignored(
    client, serve, monkeypatch, tmp_path
):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login evil password evil\n")
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    server = serve(always(response()))
    assert client.send(request(server), "").status == 201
    assert b"authorization" not in server.requests[0].lower()


# Where the time went


def test_the_first_byte_is_told_from_the_whole_answer(fresh, serve):
    def slow(connection, server):
        while server.read_request(connection):
            server.released.wait(0.1)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
            server.released.wait(0.2)
            connection.sendall(b"{}")

    timing = fresh.send(request(serve(slow)), "k").timing
    assert timing.dns is not None
    assert timing.connect is not None
    assert timing.tls is None, "plain http has none"
    assert timing.first_byte is not None
    # We may be late in seeing the first byte, and never early.
    assert 100 <= timing.first_byte < timing.total
    assert timing.total >= 300
    assert not timing.is_reused


def test_a_kept_connection_says_so(fresh, serve):
    server = serve(always(response()))
    first, second = (fresh.send(request(server), "k").timing for _ in range(2))
    assert not first.is_reused
    assert second.is_reused
    assert (second.dns, second.connect) == (None, None)
    assert second.first_byte is not None
    assert second.first_byte > 0


def test_a_phase_that_took_microseconds_took_some_time():
    exchange = Exchange(
        started=1.0,
        deadline=2.0,
        is_allowed_local=True,
        resolver=lambda host, port: [],
        ready_at=1.0,
        answered_at=1.000_02,
    )
    assert exchange.timing().first_byte == 0.02


def test_a_request_without_an_answer_says_how_far_it_got(fresh, serve):
    def hang_up(connection, server):
        server.read_request(connection)

    with pytest.raises(AmbiguousError) as error:
        fresh.send(request(serve(hang_up)), "k")
    assert error.value.timing.connect is not None
    assert error.value.timing.first_byte is None
    assert error.value.timing.total > 0


# What is certain about a request that got no answer


def test_a_refused_connection_was_not_sent(fresh, serve):
    server = serve(always(response()))
    server.__exit__()
    refused = f"it refuses connections on port {server.port}"
    with pytest.raises(NotSentError, match=refused) as error:
        fresh.send(request(server), "k")
    assert error.value.timing.dns is not None
    assert error.value.timing.connect is None


def test_an_unknown_host_was_not_sent():
    def resolver(host, port):
        raise OSError("Name or service not known")

    client = GuardedClient(resolver=resolver)
    sent = Request(method="POST", url="https://rest.iad-01.braze.com/x", headers={})
    with pytest.raises(NotSentError, match="cannot be reached"):
        client.send(sent, "k")


def test_a_connection_lost_while_writing_was_not_sent(client, serve):
    def hang_up(connection, server):
        connection.recv(1000)
        reset(connection)

    with pytest.raises(NotSentError, match="lost before all of the request was sent"):
        client.send(request(serve(hang_up), body=b"x" * 20_000_000), "k")


def test_an_early_answer_is_taken_even_when_the_body_was_not_read(client, serve):
    def refuse(connection, server):
        connection.recv(1000)
        connection.sendall(response(b"too large", "413 Too Large", "Connection: close"))
        # Closing with unread bytes would reset the connection and the answer with it.
        while connection.recv(65_536):
            pass

    assert client.send(request(serve(refuse), body=b"x" * 1_000_000), "k").status == 413


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 2", b"nonsense\r\n\r\n"])
@pytest.mark.parametrize("end", ["reset", "close"])
def test_a_connection_lost_after_the_last_byte_is_ambiguous(client, serve, said, end):
    def hang_up(connection, server):
        server.read_request(connection)
        connection.sendall(said)
        if end == "reset":
            reset(connection)

    with pytest.raises(AmbiguousError):
        client.send(request(serve(hang_up)), "k")


def test_nothing_is_sent_twice_by_itself(client, serve):
    """A kept connection that ends without an answer may have ended after it was read."""

    def once(connection, server):
        server.read_request(connection)
        if len(server.requests) == 1:
            connection.sendall(response())
            server.read_request(connection)

    server = serve(once)
    assert client.send(request(server), "k").status == 201
    with pytest.raises(AmbiguousError):
        client.send(request(server), "k")
    assert len(server.requests) == 2


def test_a_body_lost_after_the_status_is_an_answer_that_was_cut_off(client, serve):
    def hang_up(connection, server):
        server.read_request(connection)
        connection.sendall(b"HTTP/1.1 201 Created\r\nContent-Length: 100\r\n\r\n{")

    answer = client.send(request(serve(hang_up)), "k")
    assert answer.status == 201
    assert answer.truncated


def test_no_answer_until_the_deadline_is_ambiguous(client, serve, settings):
    settings.HTTP_TOTAL_SECONDS = 0.3

    def silent(connection, server):
        server.read_request(connection)
        server.released.wait(10)

    with pytest.raises(AmbiguousError) as error:
        client.send(request(serve(silent)), "k")
    assert 250 <= error.value.duration_ms < 2_000


@pytest.mark.parametrize(
    "first", [b"HTTP/1.1 200 ", b"HTTP/1.1 200 OK\r\n"], ids=["status", "headers"]
)
def test_headers_that_drip_are_cut_at_the_deadline(client, serve, settings, first):
    settings.HTTP_TOTAL_SECONDS = 0.4

    def drip(connection, server):
        server.read_request(connection)
        connection.sendall(first)
        while not server.released.wait(0.02):
            connection.sendall(b"X")

    with pytest.raises(AmbiguousError) as error:
        client.send(request(serve(drip)), "k")
    assert 350 <= error.value.duration_ms < 2_000


def test_a_body_that_drips_is_cut_at_the_deadline(client, serve, settings):
    settings.HTTP_TOTAL_SECONDS = 0.4

    def drip(connection, server):
        server.read_request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n")
        while not server.released.wait(0.02):
            connection.sendall(b"x")

    answer = client.send(request(serve(drip)), "k")
    assert answer.truncated
    assert 350 <= answer.duration_ms < 2_000


def test_a_reader_that_stalls_cannot_stretch_the_deadline(client, serve, settings):
    settings.HTTP_TOTAL_SECONDS = 0.4

    def stall(connection, server):
        server.released.wait(10)

    with pytest.raises(NotSentError) as error:
        client.send(request(serve(stall), body=b"x" * 30_000_000), "k")
    assert 350 <= error.value.duration_ms < 2_000


def test_a_kept_connection_that_was_closed_meanwhile_is_replaced(client, serve):
    closed = threading.Event()

    def once(connection, server):
        server.read_request(connection)
        connection.sendall(response())
        connection.close()
        closed.set()

    server = serve(once)
    for _ in range(3):
        closed.clear()
        assert client.send(request(server), "k").status == 201
        assert closed.wait(5)
        time.sleep(0.01)  # the FIN travels over loopback
    assert server.connections == 3


def test_a_connection_that_was_idle_for_long_is_not_trusted(fresh, serve, monkeypatch):
    monkeypatch.setattr("externalapi.http.wire.IDLE_SECONDS", 0.0)
    server = serve(always(response()))
    for _ in range(2):
        assert fresh.send(request(server), "k").status == 201
    assert server.connections == 2


def test_an_answer_that_came_in_time_is_not_lost_to_who_looks_late(
    serve, settings, monkeypatch
):
    """In several pieces, as TLS gives it."""
    settings.HTTP_TOTAL_SECONDS = 0.3
    monkeypatch.setattr("externalapi.http.wire.CHUNK", 40)
    server = serve(always(response(b"x" * 1_000)))
    connections = KeptConnections()
    connections.open(request(server), "k")
    pending = connections.begin(request(server), "k")
    assert not server.released.wait(0.4)
    assert pending.is_late
    answer = pending.poll()
    assert (answer.status, answer.body) == (201, b"x" * 1_000)
    connections.close()


@pytest.mark.parametrize("hint", ["103 Early Hints", "102 Processing"])
def test_a_hint_is_not_the_answer(client, serve, hint):
    def hinting(connection, server):
        while asked := server.read_request(connection):
            connection.sendall(f"HTTP/1.1 {hint}\r\nLink: </a>\r\n\r\n".encode())
            server.released.wait(0.05)
            connection.sendall(response(asked.rpartition(b"\r\n")[2]))

    server = serve(hinting)
    for n in range(3):
        answer = client.send(request(server, b"%d" % n), "k")
        assert (answer.status, answer.body) == (201, b"%d" % n)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 201 Created\nContent-Length: 2\n\n{}",
        b"HTTP/1.1 201\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.2 201 Created\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 201 Created\r\nX: a\r\n  b\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 201 Created\r\nX: \x00\x01\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 201 Created\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n"
        b"\r\n2 ;a=b\r\n{}\r\n0\r\n\r\n",
    ],
)
def test_an_answer_that_is_oddly_written_is_an_answer(client, serve, answer):
    server = serve(always(answer))
    for _ in range(2):
        found = client.send(request(server), "k")
        assert (found.status, found.body, found.truncated) == (201, b"{}", False)
    assert server.connections == 1


@pytest.mark.parametrize(
    "head", [b"nonsense", b"X : a", b"Content-Length: x", b"Content-Length: 2"]
)
def test_of_an_answer_that_nobody_can_read_the_status_counts(client, serve, head):
    answer = b"HTTP/1.1 201 Created\r\nContent-Length: 3\r\n" + head + b"\r\n\r\n{}"
    found = client.send(request(serve(always(answer))), "k")
    assert (found.status, found.truncated) == (201, True)


def test_what_follows_an_answer_is_nobodys(client, serve):
    def late_body(connection, server):
        while server.read_request(connection):
            connection.sendall(b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n")
            server.released.wait(0.05)
            connection.sendall(b"extra")

    server = serve(late_body)
    for _ in range(3):
        assert client.send(request(server), "k").status == 204


def test_a_chunk_without_a_size_is_not_read_without_end(client, serve):
    written = []

    def endless(connection, server):
        server.read_request(connection)
        head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n"
        connection.sendall(head)
        for _ in range(200):
            connection.sendall(b"x" * 100_000)
            written.append(100_000)

    answer = client.send(request(serve(endless)), "k")
    assert answer.truncated
    assert sum(written) < 10_000_000


def test_a_header_of_ones_own_takes_the_place_of_ours(client, serve):
    server = serve(always(response()))
    client.send(request(server, **{"user-agent": "mine"}), "k")
    head = server.requests[0].lower()
    assert head.count(b"user-agent") == 1
    assert b"user-agent: mine\r\n" in head


def test_threads_share_a_client(client, serve):
    server = serve(always(response()))
    failures = []

    def work():
        try:
            for _ in range(20):
                assert client.send(request(server, b'{"a":1}'), "k").status == 201
        except (AssertionError, TransportError) as e:
            failures.append(e)

    threads = [threading.Thread(target=work) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert len(server.requests) == 320
    assert server.connections <= 16


# --- Whatever an answer is written in ---------------------------------------------

SAID = '{"message":"success","who":"Zoë’s ключ"}'


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (SAID.encode("utf-8-sig"), "application/json"),
        (SAID.encode("utf-16"), "application/json"),
        (SAID.encode("utf-16-le"), "application/json; charset=utf-16"),
        (SAID.encode("utf-16-be"), "application/json"),
        (SAID.encode("utf-32"), 'application/json; charset="UTF-32"'),
        (SAID.encode("utf-32-be"), ""),
        (SAID.encode("gb18030"), "application/json; charset=GB18030"),
        # UTF-8, whatever is said of it.
        (SAID.encode(), "application/json; charset=iso-8859-1"),
        (SAID.encode("utf-8-sig"), "text/html; charset=latin-1"),
        (SAID.encode(), "application/json; charset=utf-16"),
        (SAID.encode(), "application/json; charset=zlib"),
    ],
)
def test_an_answer_is_read_in_what_it_is_written_in(client, serve, body, content_type):
    server = serve(always(response(body, "200 OK", f"Content-Type: {content_type}")))
    answer = client.send(request(server), "k")
    assert answer.body.decode() == SAID
    assert interpretation.read(answer).outcome is interpretation.Outcome.SENT


@pytest.mark.parametrize("charset", ["iso-8859-1", "latin-1", "Windows-1252", "cp1252"])
def test_western_letters_are_read_with_their_code_page(client, serve, charset):
    said = '{"message":"success","who":"Zoë’s"}'
    headers = f"Content-Type: application/json;charset={charset}"
    server = serve(always(response(said.encode("cp1252"), "200 OK", headers)))
    answer = client.send(request(server), "k")
    assert answer.body.decode() == said
    assert interpretation.read(answer).outcome is interpretation.Outcome.SENT


@pytest.mark.parametrize(
    ("body", "charset"),
    [
        (b'{"message":"\xff\xfe"}', "zlib"),
        (b'{"message":"\xff"}', "idna"),
        (b'{"message":"\xff"}', "x" * 300),
        (b"\0\0\0", "utf-8"),
        (b"\xff\xfe\0", "utf-16"),
        (b"", "utf-16"),
    ],
)
def test_what_nobody_can_read_is_an_answer_all_the_same(client, serve, body, charset):
    headers = f"Content-Type: application/json; charset={charset}"
    server = serve(always(response(body, "400 Bad Request", headers)))
    answer = client.send(request(server), "k")
    assert interpretation.read(answer).outcome is interpretation.Outcome.REFUSED


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-32", "utf-8-sig"])
def test_a_key_is_masked_whatever_the_answer_is_written_in(client, serve, encoding):
    key = "a-key-that-is-repeated-b7e4"
    body = f'{{"message":"Invalid API key: {key}"}}'.encode(encoding)
    server = serve(always(response(body, "401 Unauthorized")))
    answer = client.send(request(server), key)
    assert answer.body.decode() == '{"message":"Invalid API key: ••••b7e4"}'
