from datetime import UTC, datetime

import pytest

from externalapi.answers.rate_limit_headers import Budget, read_budget
from externalapi.http.client import Answer

NOW = datetime(2026, 1, 31, 10, 0, tzinfo=UTC)


def budget(**headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return read_budget(Answer(status=201, headers=named, body=b""), NOW)


@pytest.mark.parametrize(
    "reset", ["1769853630", "30"], ids=["epoch second", "seconds from now"]
)
def test_brazes_headers_are_read(reset):
    found = budget(
        x_ratelimit_limit="3000", x_ratelimit_remaining="2998", x_ratelimit_reset=reset
    )
    at = datetime(2026, 1, 31, 10, 0, 30, tzinfo=UTC)
    assert found == Budget(limit=3000, remaining=2998, reset_at=at)


def test_the_drafts_names_are_read_and_nothing_is_invented():
    assert budget(ratelimit_remaining="0") == Budget(
        limit=None, remaining=0, reset_at=None
    )


@pytest.mark.parametrize("text", ["", "many", "-1", "٣", "9" * 40])
def test_what_is_no_count_is_no_budget(text):
    assert budget(x_ratelimit_limit="3000", x_ratelimit_remaining=text) is None


@pytest.mark.parametrize("text", ["", "soon", "-5", "99999999"])
def test_a_reset_that_cannot_be_is_left_out(text):
    found = budget(x_ratelimit_remaining="1", x_ratelimit_reset=text)
    assert found is not None
    assert found.reset_at is None
