"""The times that Braze reads."""

import pytest

from externalapi.vendors.braze.sandbox.rules.times import (
    as_text,
    parse_attribute_date,
    parse_time,
)


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05.000Z"),
        ("2026-01-02T03:04:05.678+02:00", "2026-01-02T01:04:05.678Z"),
        ("2019-02-15 00:00:00 -0500", "2019-02-15T05:00:00.000Z"),  # recorded
        ("2026-01-02T03:04:05:678+0000", "2026-01-02T03:04:05.678Z"),  # Braze's own
        ("2026-01-02T03:04:05:678Z", "2026-01-02T03:04:05.678Z"),
        ("2026-01-02T03:04:05", "2026-01-02T03:04:05.000Z"),
        ("2026-01-02 03:04:05", "2026-01-02T03:04:05.000Z"),
        ("2026-01-02", "2026-01-02T00:00:00.000Z"),
    ],
)
def test_times_of_events(text, utc):
    moment = parse_time(text)
    assert moment is not None
    assert as_text(moment) == utc


@pytest.mark.parametrize(
    "text", ["", "now", "2026-13-01", "2026-01-02T25:00:00:000Z", 1767225600, None, []]
)
def test_what_is_no_time(text):
    assert parse_time(text) is None


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("01/31/2026", "2026-01-31T00:00:00.000Z"),
        ("Sat 01 31 10:11:12.+0100 2026", "2026-01-31T09:11:12.000Z"),
        ("2026-01-31", "2026-01-31T00:00:00.000Z"),
    ],
)
def test_further_formats_of_attributes(text, utc):
    moment = parse_attribute_date(text)
    assert moment is not None
    assert as_text(moment) == utc
    assert parse_attribute_date("31.01.2026") is None
