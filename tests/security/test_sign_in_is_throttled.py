"""Five wrong passwords for one name from one address, then a quarter of an hour."""

from datetime import timedelta
from ipaddress import ip_network

import pytest
import time_machine
from django.urls import reverse
from django.utils import timezone

from tests import factories

FAILURES = 5
WAIT = timedelta(minutes=15)


@pytest.fixture
def user(db):
    return factories.make_user(username="ann", password="secret")


def sign_in(
    client, password, username="ann", address="198.51.100.7", forwarded="", **extra
):
    if forwarded:
        extra["HTTP_X_FORWARDED_FOR"] = forwarded
    return client.post(
        reverse("admin:login"),
        {"username": username, "password": password},
        REMOTE_ADDR=address,
        **extra,
    )


def fail_too_often(client, **fields):
    return [sign_in(client, "wrong", **fields).status_code for _ in range(FAILURES)]


def test_the_right_password_signs_in(client, user):
    assert sign_in(client, "secret").status_code == 302


def test_the_fifth_failure_closes_the_door_even_for_the_right_password(client, user):
    assert fail_too_often(client) == [200, 200, 200, 200, 429]
    answer = sign_in(client, "secret")
    assert answer.status_code == 429
    assert "Wait 15 minutes" in answer.content.decode()


def test_it_opens_again_after_a_quarter_of_an_hour(client, user):
    with time_machine.travel(timezone.now(), tick=False) as clock:
        fail_too_often(client)
        clock.shift(WAIT - timedelta(seconds=1))
        assert sign_in(client, "secret").status_code == 429
        clock.shift(WAIT + timedelta(seconds=1))
        assert sign_in(client, "secret").status_code == 302


def test_another_address_may_still_sign_in(client, user):
    fail_too_often(client)
    assert sign_in(client, "secret", address="198.51.100.8").status_code == 302


def test_another_name_may_still_sign_in_from_the_same_address(client, user):
    factories.make_user(username="ben", password="secret")
    fail_too_often(client)
    assert sign_in(client, "secret", username="ben").status_code == 302


def test_a_success_forgets_the_failures_before_it(client, user):
    for _ in range(2):
        for _ in range(FAILURES - 1):
            assert sign_in(client, "wrong").status_code == 200
        assert sign_in(client, "secret").status_code == 302


@pytest.mark.parametrize("length", [151, 256, 100_000])
def test_a_name_that_nobody_can_have_is_like_a_wrong_one(client, user, length):
    answer = sign_in(client, "wrong", username="a" * length)
    assert answer.status_code == 200
    assert "The username or the password is not right" in answer.content.decode()


def test_the_message_does_not_say_whether_the_name_exists(client, user):
    known = sign_in(client, "wrong").content.decode()
    unknown = sign_in(client, "wrong", username="nobody").content.decode()
    assert "The username or the password is not right" in known
    assert "The username or the password is not right" in unknown


def test_a_forwarded_address_cannot_be_made_up(client, user):
    for number in range(FAILURES):
        client.post(
            reverse("admin:login"),
            {"username": "ann", "password": "wrong"},
            REMOTE_ADDR="198.51.100.7",
            HTTP_X_FORWARDED_FOR=f"203.0.113.{number}",
        )
    assert sign_in(client, "secret").status_code == 429


# --- Behind a proxy -------------------------------------------------------------------

PROXY = "10.1.2.3"


@pytest.fixture
def behind_proxies(settings):
    settings.TRUSTED_PROXIES = [ip_network("10.0.0.0/8"), ip_network("fd00::/8")]


def test_who_fails_behind_the_proxy_locks_out_nobody_else(client, user, behind_proxies):
    factories.make_user(username="ben", password="secret")
    proxied = {"address": PROXY, "forwarded": "198.51.100.7"}
    assert fail_too_often(client, **proxied)[-1] == 429
    assert sign_in(client, "secret", **proxied).status_code == 429
    theirs = {"address": PROXY, "forwarded": "198.51.100.8"}
    assert sign_in(client, "secret", **theirs).status_code == 302
    assert sign_in(client, "secret", username="ben", **proxied).status_code == 302


def test_without_the_setting_only_the_name_that_fails_is_locked_out(client, user):
    factories.make_user(username="ben", password="secret")
    proxied = {"address": PROXY, "forwarded": "198.51.100.7"}
    fail_too_often(client, **proxied)
    assert sign_in(client, "secret", username="ben", **proxied).status_code == 302
    # The proxy's address is all that is known: the name waits.
    theirs = {"address": PROXY, "forwarded": "198.51.100.8"}
    assert sign_in(client, "secret", **theirs).status_code == 429


@pytest.mark.parametrize(
    "forwarded",
    [
        "{made_up}, 198.51.100.7",
        "{made_up}, 198.51.100.7, 10.9.9.9",
        "{made_up},::ffff:198.51.100.7,fd00::1",
        "{made_up}, nonsense, 198.51.100.7",
    ],
)
def test_only_what_our_proxies_wrote_is_believed(
    client, user, behind_proxies, forwarded
):
    for number in range(FAILURES):
        told = forwarded.format(made_up=f"203.0.113.{number}")
        sign_in(client, "wrong", address=PROXY, forwarded=told)
    told = forwarded.format(made_up="203.0.113.99")
    assert sign_in(client, "secret", address=PROXY, forwarded=told).status_code == 429
    assert sign_in(client, "secret", address="198.51.100.7").status_code == 429
    assert sign_in(client, "secret", address="198.51.100.8").status_code == 302


@pytest.mark.parametrize(
    "forwarded", ["", ",", "nonsense", "10.9.9.9", "1.2.3", "x" * 9_000]
)
def test_a_proxy_that_says_nothing_is_itself_the_address(
    client, user, behind_proxies, forwarded
):
    assert (
        sign_in(client, "wrong", address=PROXY, forwarded=forwarded).status_code == 200
    )


def test_who_is_no_proxy_of_ours_cannot_say_who_they_are(client, user, behind_proxies):
    for number in range(FAILURES):
        sign_in(client, "wrong", forwarded=f"203.0.113.{number}")
    assert sign_in(client, "secret").status_code == 429
