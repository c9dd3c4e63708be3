"""Five wrong passwords for one name from one address, then a quarter of an hour."""

from datetime import timedelta

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


def sign_in(client, password, username="ann", address="198.51.100.7"):
    return client.post(
        reverse("admin:login"),
        {"username": username, "password": password},
        REMOTE_ADDR=address,
    )


def fail_too_often(client):
    return [sign_in(client, "wrong").status_code for _ in range(FAILURES)]


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
