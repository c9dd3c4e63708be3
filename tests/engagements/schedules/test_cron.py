import time
from datetime import datetime
from itertools import islice

import pytest

from engagements.schedules import cron


@pytest.mark.parametrize(
    "text",
    ["0 9 * * *", "*/15 8-17 * * MON-FRI", "0 0 29 2 *", "0 9 L * *", "5,35 * * * *"],
)
def test_what_is_an_expression(text):
    cron.check(text)


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("0 9 1 * MON", [1, 6, 13, 20, 27]),
        # As crontab(5) says of a * in one of both: then both must hold.
        ("0 9 */2 * MON", [13, 27]),
        ("0 9 1-31/2 * MON", [1, 3, 5, 6, 7, 9, 11, 13, 15, 17, 19, 20]),
        ("0 9 * * 7", [5, 12, 19, 26]),
        ("0 9 * * 5-7", [3, 4, 5, 10, 11, 12]),
        ("0 9 * * 5L", [31]),
        ("0 9 * * MON#1", [6]),
        ("0 9 31 * *", [31]),
    ],
)
def test_days_of_january_2025(text, days):
    found = cron.after(text, datetime(2024, 12, 31, 23))
    assert [at.day for at in islice(found, len(days))] == days


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "Five fields are needed"),
        ("0 9 * *", "Here are 4."),
        ("0 0 9 * * *", "Here are 6."),
        ("60 9 * * *", "“60” is no minute"),
        ("0 24 * * *", "“24” is no hour"),
        ("0 9 0 * *", "“0” is no day of the month"),
        ("0 9 * 13 *", "“13” is no month"),
        ("0 9 * * FRIDAY", "“FRIDAY” is no weekday"),
        ("*/0 9 * * *", "“*/0” is no minute"),
        ("0 9 5-1 * *", "“5-1” is no day of the month"),
        ("0 9 * * 1#6", "“1#6” is no weekday"),
        ("0 0 30 2 *", "does not come once in 10 years"),
        ("0 0 * 2 MON#5", "does not come once in 10 years"),
        ("* * * * *", "more often than every five minutes"),
        ("0,58 9-10 * * *", "more often than every five minutes"),
        ("1," * 60 + "1 * * * *", "at most 100 characters"),
        ("0 9 * * \N{ARABIC-INDIC DIGIT FIVE}", "is no weekday"),
    ],
)
def test_what_is_wrong_is_said_of_the_field(text, words):
    begun = time.process_time()
    with pytest.raises(cron.CronError, match=words.replace("*", r"\*")):
        cron.check(text)
    assert time.process_time() - begun < 2
