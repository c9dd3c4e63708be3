"""The burst window, the clock hour, and the headers that tell of them."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from externalapi.vendors.braze.sandbox.process import SandboxProcess
from externalapi.vendors.braze.sandbox.runtime.rate_limits import Limiter, Plan
from tests.externalapi.vendors.braze.sandbox.people import attributes

HALF_PAST = datetime(2026, 3, 1, 10, 30, tzinfo=UTC).timestamp()
ELEVEN = datetime(2026, 3, 1, 11, 0, tzinfo=UTC).timestamp()
BODY = {"attributes": [attributes()]}


@given(
    st.integers(1, 5),
    st.lists(st.floats(0, 2, allow_nan=False), min_size=1, max_size=60),
)
def test_no_three_seconds_hold_more_than_the_burst(burst, gaps):
    limiter = Limiter(Plan(burst=burst))
    now, allowed = HALF_PAST, []
    for gap in gaps:
        now += gap
        if limiter.admit(now).is_allowed:
            allowed.append(now)
    for start in allowed:
        assert sum(start <= one < start + 3 for one in allowed) <= burst


def test_the_headers_of_the_burst_window():
    limiter = Limiter(Plan(burst=2))
    assert limiter.admit(1000.5).headers == {
        "X-RateLimit-Limit": "2",
        "X-RateLimit-Remaining": "1",
        "X-RateLimit-Reset": "1004",
    }
    limiter.admit(1001.0)
    refused = limiter.admit(1001.5)
    assert not refused.is_allowed
    assert refused.headers["X-RateLimit-Remaining"] == "0"
    assert refused.headers["X-Ratelimit-Retry-After"] == "2"
    assert limiter.admit(1003.5).is_allowed


def test_the_hour_starts_again_on_the_clock():
    limiter = Limiter(Plan(hourly=2))
    headers = limiter.admit(HALF_PAST).headers
    assert headers["X-RateLimit-Limit"] == "2"
    assert headers["X-RateLimit-Reset"] == str(int(ELEVEN))
    assert limiter.admit(HALF_PAST + 60).is_allowed
    refused = limiter.admit(ELEVEN - 10)
    assert refused.headers["X-Ratelimit-Retry-After"] == "10"
    assert limiter.admit(ELEVEN).is_allowed


def test_newer_plans_write_seconds_and_leave_the_headers_out_of_a_429():
    limiter = Limiter(Plan(hourly=1, reset_in_seconds=True))
    assert limiter.admit(HALF_PAST).headers["X-RateLimit-Reset"] == "1800"
    assert limiter.admit(HALF_PAST).headers == {"X-Ratelimit-Retry-After": "1800"}


def test_the_peak_counts_refused_requests_too():
    limiter = Limiter(Plan(burst=1))
    for _ in range(5):
        limiter.admit(1000.0)
    limiter.admit(2000.0)
    assert limiter.peak == 5


@pytest.mark.parametrize("arguments", [["--burst", "2"], ["--hourly", "2"]])
def test_a_server_over_its_limit_answers_429(arguments):
    with SandboxProcess(*arguments) as sandbox:
        answers = [sandbox.track(BODY) for _ in range(3)]
        assert [one.status for one in answers] == [201, 201, 429]
        assert answers[0].headers["X-RateLimit-Remaining"] == "1"
        assert answers[2].json() == {"message": "Rate Limited"}
        assert int(answers[2].headers["X-Ratelimit-Retry-After"]) >= 1
        assert sandbox.summary()["by_status"] == {"201": 2, "429": 1}
        assert sandbox.summary()["peak_in_three_seconds"] == 3
