"""Check connection, and a new key beside the old one."""

from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.core.management import call_command
from django.urls import reverse
from django.utils import timezone

from externalapi.connections import key_rotation
from externalapi.connections.encryption import read_key, set_key
from externalapi.models import Connection
from externalapi.testing.connection_check import CheckedJustNowError, check
from tests import factories

pytestmark = pytest.mark.django_db
OLD, NEW = "old-key-with-1111", "new-key-with-2222"


def url(connection):
    return reverse("admin:externalapi_connection_key", args=[connection.pk])


def press(client, connection, act, **fields):
    answer = client.post(url(connection), {"act": act, **fields})
    connection.refresh_from_db()
    return answer


def rested():
    Connection.objects.update(checked_at=None)


@pytest.fixture
def connection():
    connection = factories.make_connection()
    set_key(connection, OLD)
    return connection


# --- Check --------------------------------------------------------------------------


def test_a_good_key_is_told_and_nothing_is_changed(braze, sandbox):
    found = check(braze, "ada")
    assert (found.tone, found.status, found.by) == ("success", 400, "ada")
    assert sandbox.summary()["users"] == 0
    braze.refresh_from_db()
    assert braze.last_check["words"] == found.words


def test_a_wrong_key_is_told(braze):
    set_key(braze, "a-wrong-key-0001")
    found = check(braze, "ada")
    assert (found.tone, found.status) == ("danger", 401)
    assert "refuses the key" in found.words


def test_an_address_that_nobody_listens_at(settings):
    settings.ALLOWED_LOCAL_ADDRESSES = ["127.0.0.1:1"]
    found = check(factories.make_connection("http://127.0.0.1:1"), "ada")
    assert (found.tone, found.status) == ("danger", 0)


def test_checks_are_seconds_apart(braze):
    check(braze, "ada")
    with pytest.raises(CheckedJustNowError):
        check(braze, "ada")


def test_the_key_that_waits_is_the_one_that_is_checked(braze, sandbox):
    set_key(braze, "a-wrong-key-0001")
    key_rotation.set_beside(braze, sandbox.key)
    assert check(braze, "ada", next_key=True).tone == "success"
    assert braze.next_key_check["tone"] == "success"
    assert braze.last_check == {}


# --- A new key ----------------------------------------------------------------------


def test_a_key_is_set_beside_switched_and_undone(connection):
    key_rotation.set_beside(connection, NEW)
    assert read_key(connection) == OLD
    assert key_rotation.switch(connection, timedelta(hours=1))
    assert (read_key(connection), connection.key_version) == (NEW, 2)
    assert connection.next_key_encrypted == ""
    assert key_rotation.undo(connection)
    assert (read_key(connection), connection.key_version) == (OLD, 3)
    assert connection.previous_key_encrypted == ""
    assert connection.next_key_last_four == "2222"
    assert not key_rotation.undo(connection)


def test_there_is_nothing_to_switch_to(connection):
    assert not key_rotation.switch(connection, timedelta(hours=1))
    assert read_key(connection) == OLD


def test_an_old_key_is_wiped_when_its_time_is_over(connection):
    key_rotation.set_beside(connection, NEW)
    key_rotation.switch(connection, timedelta(hours=1))
    assert key_rotation.wipe_old_keys() == 0
    over = timezone.now() - timedelta(seconds=1)
    Connection.objects.update(previous_key_until=over)
    assert not key_rotation.undo(connection)
    assert key_rotation.wipe_old_keys() == 1
    connection.refresh_from_db()
    assert (connection.previous_key_encrypted, connection.previous_key_until) == (
        "",
        None,
    )


def test_every_kept_key_is_encrypted_again(connection, settings, capsys):
    settings.SECRETS_KEYS = ["old"]
    set_key(connection, OLD)
    key_rotation.set_beside(connection, NEW)
    key_rotation.switch(connection, timedelta(hours=1))
    key_rotation.set_beside(connection, "third-key-3333")
    settings.SECRETS_KEYS = ["new", "old"]
    call_command("rotate_secrets")
    assert capsys.readouterr().out == "Keys encrypted again: 3.\n"
    settings.SECRETS_KEYS = ["new"]
    connection.refresh_from_db()
    key_rotation.undo(connection)
    assert read_key(connection) == OLD


# --- The page -----------------------------------------------------------------------


def test_the_page_leads_through_it_and_the_history_says_so(client, connection):
    client.force_login(factories.make_admin())
    assert press(client, connection, "set", key="short").status_code == 200
    assert connection.next_key_encrypted == ""
    press(client, connection, "set", key=NEW, why="Yearly")
    page = client.get(url(connection)).content.decode()
    assert "was not checked yet" in page
    assert NEW not in page
    press(client, connection, "switch", hours="4")
    assert read_key(connection) == NEW
    left = connection.previous_key_until - timezone.now()
    assert timedelta(hours=3) < left < timedelta(hours=5)
    press(client, connection, "undo")
    press(client, connection, "discard")
    assert read_key(connection) == OLD
    said = [e.get_change_message() for e in LogEntry.objects.order_by("pk")]
    assert said == [
        "Set a new key that ends in 2222 beside the one in use. Why: Yearly",
        "Switched to the new key; the old one is kept for 4 hours.",
        "The old key is in use.",
        "Discarded the key that waited.",
    ]


@pytest.mark.parametrize(
    ("auth", "key", "words"),
    [
        ("query", "k" * 301, "at most 300 characters"),
        ("bearer", "a key with spaces", "without quotes and spaces"),
        ("bearer", "k" * 1_001, "at most 1,000"),
    ],
)
def test_a_key_that_waits_is_one_that_the_connection_can_send(
    client, connection, auth, key, words
):
    Connection.objects.update(auth=auth, key_name="api_key")
    client.force_login(factories.make_admin())
    assert words in press(client, connection, "set", key=key).text
    assert connection.next_key_encrypted == ""


@pytest.mark.parametrize(
    "act", ["set", "switch", "undo", "wipe", "discard", "nonsense"]
)
def test_keys_are_for_those_who_may_use_secrets(client, user_with, connection, act):
    client.force_login(user_with("view_connection", "change_connection"))
    assert press(client, connection, act, key=NEW).status_code == 403
    assert client.get(url(connection)).status_code == 200
