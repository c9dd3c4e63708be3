from datetime import timedelta

import pytest

from engagements.throttling.backoff import MAX_AGE, SCHEDULE, is_used_up, wait


@pytest.mark.parametrize(
    ("attempts", "chance", "hint", "seconds"),
    [
        (1, 0.5, None, 5),
        (2, 0.5, None, 15),
        (3, 0.0, None, 48),  # 60 s less 20 %
        (3, 1.0, None, 72),  # 60 s and 20 %
        (12, 0.5, None, 14_400),
        (99, 0.5, None, 14_400),
        (1, 0.5, 30, 30),  # the server's hint is longer
        (4, 0.5, 30, 300),  # ours is
        (1, 0.5, 86_400, 900),  # a hint is believed for 15 minutes
    ],
)
def test_waits_grow_and_believe_the_server(attempts, chance, hint, seconds):
    hint = None if hint is None else timedelta(seconds=hint)
    assert wait(attempts, chance, hint).total_seconds() == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("attempts", "age", "expected"),
    [
        (1, timedelta(0), False),
        (len(SCHEDULE), timedelta(0), False),
        (len(SCHEDULE) + 1, timedelta(0), True),
        (1, MAX_AGE + timedelta(seconds=1), True),
    ],
)
def test_a_batch_is_given_up_by_number_or_by_age(attempts, age, expected):
    assert is_used_up(attempts, age) is expected
