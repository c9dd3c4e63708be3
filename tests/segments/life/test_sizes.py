"""Entries and exits of each day, counted from the log as it grows."""

from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection, transaction
from django.urls import reverse

from segments.life import sizes
from segments.models import Segment, SegmentDay, Transition
from tests import factories, plans
from tests.doubles.sessions import somebody_waits_for_a_lock
from tests.faults.working import in_thread
from tests.pages import words
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db


def log(segment, kind, count=1, at=None):
    person = factories.make_profile()
    for _ in range(count):
        line = Transition.objects.create(segment=segment, profile=person, kind=kind)
        if at:
            Transition.objects.filter(pk=line.pk).update(at=at)


def kept(segment):
    rows = SegmentDay.objects.filter(segment=segment).order_by("day")
    return [(row.day, row.entered, row.left, row.size) for row in rows]


def today():
    with connection.cursor() as cursor:
        cursor.execute("SELECT (now() AT TIME ZONE 'UTC')::date")
        return cursor.fetchone()[0]


def test_each_line_of_the_log_is_counted_once_on_its_day_in_utc():
    segment = factories.make_segment(3)
    before = datetime.combine(today(), datetime.min.time(), UTC)
    log(segment, "entry", 2, before - timedelta(seconds=1))
    log(segment, "exit", 1, before)
    expected = [
        (today() - timedelta(days=1), 2, 0, None),
        (today(), 3, 1, 3),
    ]
    for _ in range(2):
        sizes.keep()
        assert kept(segment) == expected

    log(segment, "exit", 2)
    Segment.objects.filter(pk=segment.pk).update(size=1)
    sizes.keep()
    assert kept(segment) == [expected[0], (today(), 3, 3, 1)]


def test_a_day_that_ended_keeps_its_size_and_how_far_it_was_counted():
    segment = factories.make_segment(2)
    sizes.keep()
    yesterday = today() - timedelta(days=1)
    SegmentDay.objects.filter(segment=segment).update(day=yesterday)
    log(segment, "entry")
    Segment.objects.filter(pk=segment.pk).update(size=3)
    sizes.keep()
    assert kept(segment) == [(yesterday, 2, 0, 2), (today(), 1, 0, 3)]


def test_a_long_log_is_counted_in_pieces_and_each_segment_for_itself():
    first, second = factories.make_segment(5), factories.make_segment(2)
    log(first, "exit", 4)
    log(second, "entry", 7)
    sizes.keep(seconds=60, most=2)
    assert kept(first) == [(today(), 5, 4, 5)]
    assert kept(second) == [(today(), 9, 0, 2)]

    log(first, "entry", 3)
    sizes.keep(seconds=0, most=1)
    assert kept(first)[0][1] < 8
    sizes.keep(seconds=60, most=1)
    assert kept(first) == [(today(), 8, 4, 5)]


def test_a_quiet_segments_log_is_not_looked_for_among_what_others_got():
    quiet = factories.make_segment(1)
    sizes.keep()
    busy = [factories.make_segment(name=f"Busy {n}") for n in range(3)]
    person = factories.make_profile()
    Transition.objects.bulk_create(
        Transition(segment=segment, profile=person, kind="entry")
        for segment in busy
        for _ in range(500)
    )
    with plans.watched() as most:
        sizes.keep(seconds=60, most=150)
    # What goes beyond a piece are the lines where the three shares end.
    assert 150 <= max(most) <= 150 + len(busy)
    assert [kept(segment)[0][1] for segment in busy] == [500] * 3
    assert kept(quiet) == [(today(), 1, 0, 1)]


def test_between_two_pieces_others_have_a_turn():
    first, second = factories.make_segment(5), factories.make_segment(2)
    turns = []
    sizes.keep(60, most=2, between=lambda: turns.append(kept(first)[0][1]))
    # Half of each of the first two pieces are the second's two lines.
    assert turns == [1, 2, 4]
    assert kept(first) == [(today(), 5, 0, 5)]
    assert kept(second) == [(today(), 2, 0, 2)]


def test_what_is_older_than_is_kept_goes():
    segment = factories.make_segment()
    sizes.keep()
    old = today() - timedelta(days=sizes.KEPT + 1)
    SegmentDay.objects.create(segment=segment, day=old, until_id=0)
    sizes.keep()
    assert [day for day, *_ in kept(segment)] == [today()]


@pytest.mark.django_db(transaction=True)
def test_a_segment_that_is_deleted_meanwhile_holds_nobody_up():
    gone, stays = factories.make_segment(1), factories.make_segment(2)
    with ExitStack() as stack, transaction.atomic():
        Segment.objects.select_for_update().get(pk=gone.pk)
        stack.enter_context(in_thread(lambda: sizes.keep(seconds=60)))
        wait_until(somebody_waits_for_a_lock, "who counts")
        gone.delete()
    assert kept(stays) == [(today(), 2, 0, 2)]
    assert SegmentDay.objects.count() == 1


def test_nothing_is_written_where_nothing_happened():
    factories.make_segment(2)
    sizes.keep()
    with connection.cursor() as cursor:
        cursor.execute("SELECT ctid::text FROM segments_segmentday")
        before = cursor.fetchall()
        sizes.keep()
        cursor.execute("SELECT ctid::text FROM segments_segmentday")
        assert cursor.fetchall() == before


def test_a_line_of_a_single_day_is_said_to_grow(admin_client):
    segment = factories.make_segment(2)
    address = reverse("admin:segments_segment_sizes", args=[segment.pk])
    words = "the line at the right grows with each"
    for days, is_said in ((0, True), (1, False)):
        day = today() - timedelta(days=days)
        SegmentDay.objects.create(
            segment=segment, day=day, entered=1, left=0, size=2, until_id=0
        )
        assert (words in admin_client.get(address).content.decode()) is is_said


def test_the_page_has_the_days_as_a_picture_and_a_table(admin_client):
    segment = factories.make_segment(3)
    address = reverse("admin:segments_segment_sizes", args=[segment.pk])
    assert "Nobody entered or left" in words(admin_client.get(address))
    log(segment, "exit")
    sizes.keep()
    page = admin_client.get(address)
    assert "3 entered and 1 left in all" in words(page)
    assert len(page.context["sizes"].entries) == 1
    assert len(page.context["sizes"].days) == 30
    assert len(admin_client.get(f"{address}?days=90").context["sizes"].days) == 90
    assert len(admin_client.get(f"{address}?days=x").context["sizes"].days) == 30


def test_a_line_breaks_where_nobody_looked():
    assert sizes._lines([None, 1, 2, None, 4], 4) == [
        "120.00,75.0 240.00,75.0 240.00,50.0 360.00,50.0",
        "480.00,0.0 600.00,0.0",
    ]
