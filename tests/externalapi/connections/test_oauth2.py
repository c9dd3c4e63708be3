import base64
import json
import threading
from datetime import timedelta
from urllib.parse import parse_qs

import pytest
from django.db import connection as database
from django.utils import timezone

from externalapi.connections import oauth2
from externalapi.connections.encryption import set_key
from externalapi.connections.oauth2 import TokenRefusedError
from externalapi.http.client import GuardedClient, NotSentError, Request
from externalapi.models import Connection
from tests.doubles.lost_database import losing_the_database
from tests.doubles.raw_server import RawServer, response
from tests.factories import make_connection

SECRET = "client secret/0123456789"


class TokenServer:
    """An API that takes only the newest token, and the address that gives tokens."""

    def __init__(self):
        self.fetches = []
        self.calls = []
        self.expires_in = 3600
        self.takes_basic = True
        self.answer_of_token = None
        self.taken_back = set()
        self.lock = threading.Lock()

    def __call__(self, connection, server):
        while request := server.read_request(connection):
            head, _, body = request.partition(b"\r\n\r\n")
            connection.sendall(self.answer(head.decode(), body.decode()))

    def answer(self, head, body):
        with self.lock:
            if head.startswith("POST /token "):
                return self.give(head, body)
            return self.take(head)

    def give(self, head, body):
        self.fetches.append((header(head, "Authorization"), parse_qs(body)))
        if self.answer_of_token:
            return self.answer_of_token
        if not self.takes_basic and "client_secret" not in body:
            return response(b'{"error":"invalid_client"}', "401 Unauthorized")
        said = {"access_token": f"token-{len(self.fetches)}-of-the-server"}
        if self.expires_in:
            said["expires_in"] = self.expires_in
        return response(json.dumps(said).encode(), "200 OK")

    def take(self, head):
        sign_in = header(head, "Authorization")
        self.calls.append(sign_in)
        if sign_in.removeprefix("Bearer ") in self.taken_back:
            said = f'{{"message":"Invalid token {sign_in}"}}'.encode()
            return response(said, "401 Unauthorized", f"X-Echo: {sign_in}")
        return response()


def header(head, name):
    for line in head.split("\r\n"):
        if line.startswith(f"{name}: "):
            return line.partition(": ")[2]
    return ""


@pytest.fixture
def api(settings):
    oauth2.forget()
    token_server = TokenServer()
    with RawServer(token_server) as server:
        settings.ALLOWED_LOCAL_ADDRESSES = [server.address]
        token_server.address = server.address
        yield token_server


@pytest.fixture
def connection(db, api):
    connection = make_connection(
        base_url=f"http://{api.address}",
        auth="oauth2",
        token_url=f"http://{api.address}/token",
        client_id="me:you",
    )
    set_key(connection, SECRET)
    return connection


def send(connection, client=None):
    request = Request(
        method="POST",
        url=f"{connection.base_url}/leads",
        headers={},
        body=b"{}",
        sign_in=connection.sign_in,
    )
    return (client or GuardedClient()).send(request, SECRET)


def test_one_token_serves_many_requests(api, connection):
    for _ in range(3):
        assert send(connection).status == 201
    assert api.calls == ["Bearer token-1-of-the-server"] * 3
    ((basic, form),) = api.fetches
    assert base64.b64decode(basic.removeprefix("Basic ")) == (
        b"me%3Ayou:client+secret%2F0123456789"
    )
    assert form == {"grant_type": ["client_credentials"]}


def test_another_process_finds_the_token_on_the_row(api, connection):
    send(connection)
    oauth2.forget()
    send(connection)
    assert len(api.fetches) == 1
    connection.refresh_from_db()
    assert "token-1" not in connection.token_encrypted
    assert connection.token_expires_at > timezone.now() + timedelta(minutes=59)


def test_a_token_is_fetched_again_shortly_before_it_expires(api, connection):
    api.expires_in = 25
    send(connection)
    send(connection)
    assert api.calls == [
        "Bearer token-1-of-the-server",
        "Bearer token-2-of-the-server",
    ]


def test_a_token_of_unknown_life_is_kept_for_minutes(api, connection):
    api.expires_in = None
    send(connection)
    connection.refresh_from_db()
    life = connection.token_expires_at - timezone.now()
    assert timedelta(minutes=4) < life <= timedelta(minutes=5)


def test_a_token_that_was_taken_back_is_fetched_once_more(api, connection):
    send(connection)
    api.taken_back.add("token-1-of-the-server")
    assert send(connection).status == 201
    assert api.calls[1:] == [
        "Bearer token-1-of-the-server",
        "Bearer token-2-of-the-server",
    ]
    assert send(connection).status == 201
    assert len(api.fetches) == 2


def test_a_second_401_is_the_answer_and_the_token_is_masked_in_it(api, connection):
    api.taken_back |= {f"token-{n}-of-the-server" for n in range(9)}
    answer = send(connection)
    assert answer.status == 401
    assert len(api.fetches) == 2
    assert b"token-2" not in answer.body
    assert "token-2" not in answer.headers["x-echo"]
    assert "••••rver" in answer.body.decode()


def test_a_server_that_wants_the_secret_in_the_form_gets_it_there(api, connection):
    api.takes_basic = False
    connection.scope = "leads:write more"
    assert send(connection).status == 201
    basic, form = api.fetches[1]
    assert basic == ""
    assert form == {
        "grant_type": ["client_credentials"],
        "scope": ["leads:write more"],
        "client_id": ["me:you"],
        "client_secret": [SECRET],
    }


def test_many_threads_fetch_one_token(api, transactional_db, connection):
    client = GuardedClient()
    start = threading.Barrier(8)
    statuses = []

    def work():
        start.wait()
        statuses.append(send(connection, client).status)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [201] * 8
    assert len(api.fetches) == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda c: set_key(c, "another secret 0123"),
        lambda c: Connection.objects.filter(pk=c.pk).update(scope="other"),
        lambda c: Connection.objects.filter(pk=c.pk).update(client_id="other"),
    ],
    ids=["key", "scope", "client"],
)
def test_a_changed_connection_does_not_use_the_old_token(api, connection, change):
    send(connection)
    change(connection)
    connection.refresh_from_db()
    oauth2.forget()
    send(connection)
    assert len(api.fetches) == 2


def test_a_token_sealed_with_a_lost_passphrase_is_fetched_again(
    api, connection, settings
):
    send(connection)
    oauth2.forget()
    settings.SECRETS_KEYS = ["another passphrase"]
    send(connection)
    assert len(api.fetches) == 2


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        (
            response(b'{"error":"invalid_scope"}', "400 Bad Request"),
            TokenRefusedError,
            r"answers 400 \(invalid_scope\). Check the token URL",
        ),
        (response(b"<html>", "404 Not Found"), TokenRefusedError, "answers 404"),
        (response(b"<html>", "200 OK"), TokenRefusedError, "without an access token"),
        (response(b"[]", "200 OK"), TokenRefusedError, "without an access token"),
        (
            response(b'{"access_token":"a\\r\\nb"}', "200 OK"),
            TokenRefusedError,
            "without an access token",
        ),
        (response(b"", "503 Away"), NotSentError, "the token URL answers 503"),
        (response(b"", "429 Slow"), NotSentError, "the token URL answers 429"),
    ],
    ids=lambda value: str(value)[:50],
)
def test_without_a_token_nothing_is_sent(api, connection, given, error, words):
    api.answer_of_token = given
    with pytest.raises(error, match=words) as raised:
        send(connection)
    assert (type(raised.value) is TokenRefusedError) == (error is TokenRefusedError)
    assert api.calls == []


def test_a_token_url_that_leads_inside_is_refused(api, connection):
    connection.token_url = "http://127.0.0.1:1/token"
    with pytest.raises(TokenRefusedError, match="The token URL cannot be used"):
        send(connection)


def test_a_token_url_that_is_silent_is_no_doubt_about_the_request(
    api, connection, settings
):
    with RawServer(lambda socket, server: server.read_request(socket)) as silent:
        settings.ALLOWED_LOCAL_ADDRESSES = [api.address, silent.address]
        connection.token_url = f"http://{silent.address}/token"
        # The request for a token may have arrived; the one for the API has not left.
        with pytest.raises(NotSentError, match="No access token could be fetched"):
            send(connection)
    assert api.calls == []


def test_a_lost_database_is_no_doubt_about_the_request(
    api, transactional_db, connection
):
    with losing_the_database(), pytest.raises(NotSentError, match="looked up"):
        send(connection)
    assert api.fetches == api.calls == []
    database.close()
    assert send(connection).status == 201


def test_a_statement_that_the_database_refuses_is_logged_and_nothing_sent(
    api, transactional_db, connection, caplog
):
    with database.cursor() as cursor:
        cursor.execute("ALTER TABLE externalapi_connection RENAME TO gone")
    try:
        with pytest.raises(NotSentError, match="could not be looked up"):
            send(connection)
    finally:
        with database.cursor() as cursor:
            cursor.execute("ALTER TABLE gone RENAME TO externalapi_connection")
    assert "token.mistake" in caplog.text
    assert api.calls == []


def test_without_a_key_no_token_is_fetched(api, connection):
    request = Request(
        method="GET", url=connection.base_url, headers={}, sign_in=connection.sign_in
    )
    assert GuardedClient().send(request, "").status == 201
    assert api.fetches == []
