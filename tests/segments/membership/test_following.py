"""Memberships follow who becomes one with somebody, or is split off."""

import pytest
from django.core.management import call_command
from django.utils import timezone

from segments.ingest import inbox
from segments.membership import refresh
from segments.models import MergeLog, Profile, Segment
from tests.factories import make_segment, make_source

pytestmark = pytest.mark.django_db

LEAD = {"event": "Lead"}


@pytest.fixture
def tell():
    """Apply a message alone: an event, or what makes two one (a user and a device)."""
    source = make_source()
    numbers = iter(range(1_000))

    def tell(event=None, user=None, device=None):
        payload = {"timestamp": timezone.now().isoformat()}
        payload |= {"userId": user} if user else {}
        payload |= {"anonymousId": device} if device else {}
        kind = "track" if event else "identify"
        payload |= {"event": event} if event else {"traits": {}}
        inbox.append(source, [(f"m{next(numbers)}", kind, payload)])
        inbox.apply()

    return tell


@pytest.fixture
def segment():
    return make_segment(rule=LEAD, event_names=["Lead"])


def log(segment):
    return list(segment.transitions.order_by("pk").values_list("kind", "profile"))


def known(user="u1"):
    return Profile.objects.get(external_id=user)


def size():
    return Segment.objects.get().size


def test_a_visitor_who_is_recognised_stays_in(tell, segment):
    tell(user="u1")
    tell("Lead", device="d1")
    before = segment.memberships.get()
    tell(user="u1", device="d1")
    after = segment.memberships.get()
    assert after.profile == known()
    assert (after.since, after.event_id) == (before.since, before.event_id)
    assert log(segment) == [("entry", before.profile_id)]
    assert size() == 1
    assert not refresh.refresh(segment.pk)


def test_of_two_who_are_in_one_is_left_since_the_first_was(tell, segment):
    tell("Lead", device="d1")
    visitor = segment.memberships.get()
    tell("Lead", user="u1")
    tell(user="u1", device="d1")
    left = segment.memberships.get()
    assert (left.profile, left.event_id) == (known(), visitor.event_id)
    assert log(segment) == [
        ("entry", visitor.profile_id),
        ("entry", known().pk),
        ("exit", visitor.profile_id),
    ]
    assert size() == 1


def test_who_is_not_taken_in_any_more_leaves(tell):
    segment = make_segment(
        rule={"all": [LEAD, {"not": {"event": "Bought"}}]},
        event_names=["Lead", "Bought"],
    )
    tell("Bought", user="u1")
    tell("Lead", device="d1")
    tell(user="u1", device="d1")
    assert [kind for kind, _ in log(segment)] == ["entry", "exit"]
    assert size() == 0


def test_a_segment_that_is_not_active_keeps_the_person(tell, segment):
    tell(user="u1")
    tell("Lead", device="d1")
    Segment.objects.update(is_active=False)
    tell(user="u1", device="d1")
    assert segment.memberships.get().profile == known()
    assert size() == 1


def test_undone_whoever_did_it_stays_in(tell, segment):
    tell(user="u1")
    tell("Lead", device="d1")
    visitor = segment.memberships.get()
    tell(user="u1", device="d1")
    call_command("undo_merge", MergeLog.objects.get(kind="merge").pk, verbosity=0)
    back = segment.memberships.get()
    assert (back.profile_id, back.since) == (visitor.profile_id, visitor.since)
    assert back.event_id == visitor.event_id
    assert log(segment) == [("entry", visitor.profile_id)]
    assert size() == 1


def test_undone_both_stay_in_where_both_did_it(tell, segment):
    tell("Lead", user="u1")
    tell("Lead", device="d1")
    tell(user="u1", device="d1")
    lines = log(segment)
    call_command("undo_merge", MergeLog.objects.get(kind="merge").pk, verbosity=0)
    assert segment.memberships.count() == size() == 2
    assert log(segment) == lines
    for one in segment.memberships.select_related("event"):
        assert one.event is None or one.event.profile_id == one.profile_id
    assert not refresh.refresh(segment.pk)


def test_a_device_that_turns_out_to_be_shared_takes_nobody_along(tell, segment):
    tell(user="u1")
    tell("Lead", device="d1")
    visitor = segment.memberships.get().profile_id
    tell(user="u1", device="d1")
    tell(user="u2", device="d1")
    assert segment.memberships.get().profile_id == visitor
    assert log(segment) == [("entry", visitor)]
