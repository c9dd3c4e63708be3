"""A saved segment is counted: after the save, which no count can undo or hold up."""

import json
from contextlib import ExitStack

import pytest

from segments.membership import counting, refresh
from segments.models import Segment
from tests.doubles.sessions import is_waited_for, locked, refusing
from tests.factories import make_admin, make_profile
from tests.faults.working import in_thread
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

ADD = "/admin/segments/segment/add/"
PUNE = {"attribute": "city", "is": "equals", "value": "Pune"}
FORM = {"name": "Leads", "rule": json.dumps(PUNE), "is_active": "on"}
MEMBERS = "segments_membership"


@pytest.fixture
def save(client):
    """Add a segment on its page; whom it takes in is there."""
    make_profile(city="Pune")
    client.force_login(make_admin())
    return lambda: client.post(ADD, FORM)


def counted():
    segment = Segment.objects.get()
    return segment.refreshed_at is not None, segment.size, segment.problem


def test_it_is_counted_with_the_save(save):
    assert save().status_code == 302
    assert counted() == (True, 1, "")


@pytest.mark.parametrize("code", ["25006", "40P01", "53100", "57P01"])
def test_what_cannot_be_written_just_now_is_counted_later(save, code):
    """Whatever class the driver's error has: a read-only server's is no operational."""
    with refusing(MEMBERS, "true", code):
        assert save().status_code == 302
        assert counted() == (False, 0, "")
    refresh.refresh_due(Segment.objects.get().updated_at)
    assert counted() == (True, 1, "")


@pytest.mark.parametrize("code", ["23514", "42703"])
def test_what_cannot_be_counted_is_saved(save, code):
    with refusing(MEMBERS, "true", code):
        assert save().status_code == 302
    assert Segment.objects.get().name == "Leads"


def test_the_save_does_not_wait_for_the_count(save):
    with ExitStack() as beside, locked(MEMBERS):
        beside.enter_context(in_thread(save))
        wait_until(lambda: is_waited_for(MEMBERS), "the count")
        assert Segment.objects.filter(name="Leads").exists()
    assert counted() == (True, 1, "")


def test_a_count_that_takes_long_is_left_to_a_worker(save, monkeypatch):
    monkeypatch.setattr(counting, "SECONDS", 0.2)
    with locked(MEMBERS):
        assert save().status_code == 302
        assert counted() == (False, 0, "")
