"""Events are written in the order that leaves no page of an index half empty."""

import random
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from segments.ingest import events, inbox
from segments.models import Event
from tests import factories

pytestmark = pytest.mark.django_db

BEGIN = datetime(2026, 3, 1, tzinfo=UTC)
NAMES = ("Signed up", "Product viewed", "Product viewed", "Product viewed")


def bring_in(source, first, count, whose, at):
    """So many events, in one chunk; `whose` and `at` say it of each, by its number."""
    messages = [
        (
            f"m{n}",
            "track",
            {
                "userId": whose(n),
                "event": NAMES[n % len(NAMES)],
                "timestamp": (BEGIN + at(n)).isoformat(),
                "properties": {},
            },
        )
        for n in range(first, first + count)
    ]
    inbox.append(source, messages)
    assert inbox.apply().errors == 0


@pytest.mark.parametrize("count", [events.MANY - 1, events.MANY, 3_333])
def test_each_persons_events_keep_the_order_in_which_they_came(count):
    rng = random.Random(count)
    people = [f"u{rng.randrange(1_500)}" for _ in range(count)]
    people[::3] = ["u1"] * len(people[::3])
    bring_in(
        factories.make_source(),
        0,
        count,
        people.__getitem__,
        lambda n: timedelta(minutes=rng.randrange(100)),
    )
    came: dict[str, list[int]] = {}
    for message_id, who in Event.objects.order_by("id").values_list(
        "message_id", "profile__external_id"
    ):
        came.setdefault(who, []).append(int(message_id[1:]))
    assert sum(map(len, came.values())) == count
    assert all(numbers == sorted(numbers) for numbers in came.values())


@pytest.mark.parametrize("at_once", [1, 250], ids=["own times", "times of requests"])
def test_the_index_of_what_comes_in_time_is_full(at_once):
    """It was half empty: 83 to 88 bytes an event."""
    source, total, chunk = factories.make_source(), 20_000, 5_000
    with connection.cursor() as cursor:
        cursor.execute("REINDEX INDEX event_name_time")
    for first in range(0, total, chunk):
        bring_in(
            source,
            first,
            chunk,
            lambda n: f"u{n * 7_919 % 6_000}",
            lambda n: timedelta(seconds=n // at_once * at_once),
        )
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_relation_size('event_name_time')")
        (size,) = cursor.fetchone()
    assert Event.objects.count() == total
    assert size / total < 60
