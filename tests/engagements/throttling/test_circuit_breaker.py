"""When the circuit breaker opens, for how long, and what the operator reads of it."""

from datetime import UTC, datetime, timedelta

import pytest

from engagements.models import Destination
from engagements.throttling.circuit_breaker import Health, Sign, State, judge, read

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
SIGNS = {"+": Sign.SUCCESS, "-": Sign.FAILURE, "?": Sign.NEITHER}


def after(signs: str, health: Health | None = None, at: datetime = NOW):
    return judge(health or Health(), [SIGNS[sign] for sign in signs], at)


@pytest.mark.parametrize(
    ("signs", "seconds"),
    [
        ("", None),
        ("+" * 100, None),
        ("----", None),
        ("-----", 30),  # five in a row
        ("----+----", None),
        ("+" * 50 + "-----", 30),
        ("--?-?--", 30),  # a rate limit says nothing
        ("?" * 50, None),
        ("-+" * 9 + "-", None),  # 10 of 19
        ("-+" * 10, 30),  # 10 of 20
        ("-++" * 10, None),  # a third
        ("-" + "+" * 9 + "----+---+--", None),  # 10 of 21
        ("-" + "+" * 9 + "----+---+---", 30),  # 11 of 22
    ],
)
def test_a_closed_breaker_opens(signs, seconds):
    _, open_for = after(signs)
    assert open_for == (seconds and timedelta(seconds=seconds))


def test_answers_that_come_one_by_one_count_alike():
    health, open_for = Health(), None
    for _ in range(5):
        assert open_for is None
        health, open_for = after("-", health)
    assert open_for == timedelta(seconds=30)


def test_the_window_ends_after_a_minute():
    health, _ = after("-+" * 9)
    same, opened = after("-+", health, NOW + timedelta(seconds=59))
    assert (opened, same.times_opened) == (timedelta(seconds=30), 1)
    later, opened = after("-+", health, NOW + timedelta(seconds=60))
    assert (opened, later.window_attempts) == (None, 2)


def test_it_stays_open_twice_as_long_each_time_up_to_ten_minutes():
    health, open_for = after("-----")
    waits = [open_for.total_seconds()]
    for _ in range(7):
        health, open_for = after("-", health)
        waits.append(open_for.total_seconds())
    assert waits == [30, 60, 120, 240, 480, 600, 600, 600]


@pytest.mark.parametrize("signs", ["?", "???"])
def test_a_probe_that_says_nothing_changes_nothing(signs):
    health, _ = after("-----")
    assert after(signs, health) == (health, None)


def test_one_success_closes_it_and_all_is_forgotten():
    health, _ = after("-----")
    assert after("+", health) == (Health(), None)


def in_(seconds: int) -> datetime:
    return NOW + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("fields", "state", "until"),
    [
        ({}, State.CLOSED, None),
        ({"blocked_until": in_(-1)}, State.CLOSED, None),
        ({"blocked_until": in_(9)}, State.RATE_LIMITED, in_(9)),
        # A first request after a pause is no trouble.
        ({"blocked_until": in_(9), "probing_until": in_(9)}, State.CLOSED, None),
        ({"blocked_until": in_(9), "times_opened": 1}, State.OPEN, in_(9)),
        ({"blocked_until": in_(-1), "times_opened": 1}, State.HALF_OPEN, None),
        (
            {"blocked_until": in_(9), "probing_until": in_(9), "times_opened": 2},
            State.HALF_OPEN,
            None,
        ),
    ],
)
def test_the_operator_reads_a_state(fields, state, until):
    reading = read(Destination(**fields), NOW)
    assert (reading.state, reading.until) == (state, until)
