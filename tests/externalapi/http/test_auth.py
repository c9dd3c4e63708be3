import base64

import pytest

from externalapi.http.auth import Auth, SignIn
from externalapi.http.client import GuardedClient, Request
from externalapi.models import Connection
from tests.doubles.raw_server import RawServer, always, response

KEY = "secret/key+0123456789"
PAIR = base64.b64encode(f"ada:{KEY}".encode())


@pytest.mark.parametrize(
    ("sign_in", "line", "header"),
    [
        (SignIn(), b"POST /x?a=1 ", f"Authorization: Bearer {KEY}".encode()),
        (
            SignIn(auth=Auth.BASIC, username="ada"),
            b"POST /x?a=1 ",
            b"Authorization: Basic " + PAIR,
        ),
        (
            SignIn(auth=Auth.HEADER, name="X-API-Key"),
            b"POST /x?a=1 ",
            f"X-API-Key: {KEY}".encode(),
        ),
        (
            SignIn(auth=Auth.QUERY, name="api key"),
            b"POST /x?a=1&api%20key=secret%2Fkey%2B0123456789 ",
            b"",
        ),
        (SignIn(auth=Auth.NONE), b"POST /x?a=1 ", b""),
    ],
    ids=lambda value: getattr(value, "auth", ""),
)
def test_the_key_goes_where_the_connection_says(settings, sign_in, line, header):
    with RawServer(always(response())) as server:
        settings.ALLOWED_LOCAL_ADDRESSES = [server.address]
        request = Request(
            method="POST",
            url=f"http://{server.address}/x?a=1",
            headers={"X-A": "b", "x-api-key": "the definition's"},
            body=b"{}",
            sign_in=sign_in,
        )
        GuardedClient().send(request, KEY)
    sent = server.requests[0]
    assert sent.startswith(line)
    assert header in sent
    assert (b"Authorization" in sent) == header.startswith(b"Authorization")
    if sign_in.auth is Auth.HEADER:
        assert b"the definition's" not in sent


@pytest.mark.parametrize("auth", Auth)
def test_without_a_key_nothing_is_signed(auth):
    sign_in = SignIn(auth=auth, name="k", username="u")
    assert sign_in.headers({"A": "b"}, "") == {"A": "b"}
    assert sign_in.url("https://x.test/", "") == "https://x.test/"


@pytest.mark.parametrize("auth", Auth)
def test_what_is_shown_instead_of_a_key_stays_readable(auth):
    sign_in = SignIn(auth=auth, name="k", username="u")
    shown = f"{sign_in.headers({}, '••••6789')}{sign_in.url('/', '••••6789')}"
    assert ("••••" in shown) == (auth is not Auth.NONE)


def test_a_connection_says_how_to_sign_in():
    connection = Connection(auth="basic", username="ada")
    assert connection.sign_in == SignIn(auth=Auth.BASIC, username="ada")
    assert Connection().sign_in == SignIn()
    plan = Connection(
        pk=7,
        auth="oauth2",
        token_url="https://id.test/token",
        client_id="me",
        scope="a b",
        key_version=3,
    ).sign_in.token
    assert (plan.connection_id, plan.key_version) == (7, 3)
    assert (plan.url, plan.client_id, plan.scope) == (
        "https://id.test/token",
        "me",
        "a b",
    )


def test_a_connection_may_be_less_patient_than_the_settings(settings):
    settings.HTTP_TOTAL_SECONDS = 30

    def silent(connection, server):
        server.read_request(connection)
        server.released.wait(10)

    with RawServer(silent) as server:
        settings.ALLOWED_LOCAL_ADDRESSES = [server.address]
        request = Request(
            method="GET",
            url=f"http://{server.address}/",
            headers={},
            timeout_seconds=1,
        )
        with pytest.raises(Exception, match="ended without an answer") as error:
            GuardedClient().send(request, "")
    assert 900 <= error.value.duration_ms < 5_000
