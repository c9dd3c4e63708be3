"""What a request costs: one statement, no middleware that it has no use for."""

import psycopg
import pytest
from django.db import connection
from django.test import Client

from segments.models import InboxRequest
from tests.segments.tracking.conftest import basic

BODY = {"userId": "u1", "event": "E"}


@pytest.fixture
def track(client, write_key):
    def track(client=client, **headers):
        return client.post(
            "/v1/track",
            BODY,
            content_type="application/json",
            headers={"Authorization": basic(write_key), **headers},
        )

    return track


def test_a_lost_connection_costs_nobody_their_request(transactional_db, track):
    """The INSERT finds it out, and is done again over another."""
    assert track().status_code == 200
    pid = connection.connection.info.backend_pid
    with psycopg.connect(connection.connection.info.dsn, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
    assert track().status_code == 200
    assert InboxRequest.objects.count() == 2


def test_whether_the_connection_is_there_is_not_asked(
    transactional_db, track, monkeypatch
):
    assert track().status_code == 200
    asked = []
    monkeypatch.setattr(connection, "is_usable", lambda: asked.append(1) or True)
    connection.health_check_enabled, connection.health_check_done = True, False
    assert track().status_code == 200
    assert asked == []


def test_no_session_and_no_page_is_made_of_it(track):
    answer = track(headers={"Cookie": "sessionid=abc; csrftoken=x"})
    assert not answer.cookies
    assert "Content-Security-Policy" not in answer
    assert answer["X-Content-Type-Options"] == "nosniff"


def test_https_is_asked_for_before_anything_else(settings, write_key):
    settings.SECURE_SSL_REDIRECT = True
    client = Client()
    answer = client.post("/v1/track", BODY, content_type="application/json")
    assert (answer.status_code, answer["Location"]) == (
        301,
        "https://testserver/v1/track",
    )


def test_by_another_name_nobody_is_here(track, settings):
    settings.ALLOWED_HOSTS = ["site.example"]
    answer = track(HOST="evil.example")
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")
    assert not InboxRequest.objects.exists()


def test_an_address_of_very_many_fields_is_refused(client, settings):
    many = settings.DATA_UPLOAD_MAX_NUMBER_FIELDS + 1
    answer = client.post(
        f"/v1/track?{'&'.join(f'a{n}=1' for n in range(many))}",
        BODY,
        content_type="application/json",
    )
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")


def test_pages_go_the_long_way(client, db):
    assert "Content-Security-Policy" in client.get("/admin/login/")
