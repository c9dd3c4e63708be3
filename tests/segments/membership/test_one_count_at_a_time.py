"""Workers count one segment at a time: somebody is left to take in what people do."""

from datetime import timedelta

import pytest
from celery.signals import before_task_publish
from django.db import connection
from django.utils import timezone

from segments import tasks
from segments.membership import refresh
from segments.membership.moves import Change
from segments.models import Segment
from segments.models.signals import segments_changed
from tests.factories import make_profile, make_segment

pytestmark = pytest.mark.django_db

PUNE = {"attribute": "city", "is": "equals", "value": "Pune"}


@pytest.fixture
def published():
    """What workers were asked for since the last look."""
    asked = []

    def note(sender, body, **kwargs):
        asked.append((sender, list(body[0])))

    def look():
        found, asked[:] = list(asked), []
        return found

    before_task_publish.connect(note)
    yield look
    before_task_publish.disconnect(note)


def is_counted(segment):
    return Segment.objects.filter(pk=segment.pk, refreshed_at__isnull=False).exists()


def count_elsewhere(segment, seconds):
    """As a worker does that has a count in hand, and renews its lease."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE segments_segment SET counting_until ="
            " clock_timestamp() + make_interval(secs => %s) WHERE id = %s",
            [seconds, segment.pk],
        )


def test_neither_the_tick_nor_a_save_counts_beside_another_count():
    make_profile(city="Pune")
    busy = make_segment(name="Busy", rule={"not": PUNE}, refreshed_at=None)
    waiting = make_segment(name="Waiting", rule=PUNE, refreshed_at=None)
    count_elsewhere(busy, 60)
    assert refresh.refresh_due(timezone.now()) == Change()
    tasks.refresh_segment(waiting.pk)
    assert not is_counted(waiting)
    # Its worker was killed, and its lease has run out.
    count_elsewhere(busy, -1)
    assert refresh.refresh_due(timezone.now()) == Change(entered=1)
    assert is_counted(waiting)
    assert is_counted(busy)


def test_who_waited_is_woken_by_the_count_that_ends(published):
    make_profile(city="Pune")
    first = make_segment(name="First", rule=PUNE, refreshed_at=None)
    second = make_segment(name="Second", rule={"not": PUNE}, refreshed_at=None)
    tasks.refresh_segment(first.pk)
    assert is_counted(first)
    assert published() == [("segments.tasks.refresh_segment", [second.pk])]
    tasks.refresh_segment(second.pk)
    assert is_counted(second)
    assert published() == []


def test_nobody_is_woken_for_what_cannot_be_counted(published):
    broken = make_segment(name="Broken", rule={"broken": True}, refreshed_at=None)
    tasks.refresh_segment(broken.pk)
    assert published() == []


@pytest.mark.django_db(transaction=True)
def test_what_is_saved_while_the_tick_counts_comes_before_recounts():
    make_profile(city="Pune")
    long_ago = timezone.now() - timedelta(hours=3)
    for number in range(3):
        make_segment(name=f"Recount {number}", rule=PUNE)
    Segment.objects.filter(name="Recount 0").update(refreshed_at=None)
    Segment.objects.exclude(name="Recount 0").update(
        rule={"attribute": "due", "is": "in_last_days", "value": 3},
        refreshed_at=long_ago,
        updated_at=long_ago,
    )
    saved = []

    def save_another(**kwargs):
        if not saved:
            saved.append(make_segment(name="New", rule=PUNE, refreshed_at=None))

    segments_changed.connect(save_another)
    try:
        refresh.refresh_due(timezone.now())
    finally:
        segments_changed.disconnect(save_another)
    counted = Segment.objects.order_by("refreshed_at").values_list("name", flat=True)
    assert list(counted)[:2] == ["Recount 0", "New"]
    assert all(is_counted(one) for one in Segment.objects.all())
