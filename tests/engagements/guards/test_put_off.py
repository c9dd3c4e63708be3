"""Whoever would be sent in quiet hours waits until they are over, and is sent once."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from engagements.audience import expansion
from engagements.authoring.forms import EngagementForm
from engagements.lifecycle import transitions
from engagements.models import Batch, Delivery, Engagement, Suppression
from lemnisk_braze.lib import database_clock
from segments.models import Profile
from tests import factories
from tests.faults import invariants, working

pytestmark = pytest.mark.django_db


def local_now():
    return database_clock.now().astimezone(ZoneInfo("Asia/Kathmandu"))


@pytest.fixture
def engagement(braze):
    """Quiet in the hour around now where it is Kathmandu, and there alone."""
    names = {"ana": "Asia/Kathmandu", "bo": "America/Lima", "cy": None, "di": "Mars"}
    people = [
        factories.make_profile(external_id=name, first_name=name, zone=zone)
        for name, zone in names.items()
    ]
    local = local_now()
    return factories.make_engagement(
        factories.make_segment(people),
        factories.make_version(connection=braze),
        trigger="schedule",
        quiet_from=(local - timedelta(minutes=30)).time(),
        quiet_to=(local + timedelta(minutes=30)).time(),
        quiet_zone_attribute="zone",
        quiet_time_zone="Asia/Tokyo",
    )


def begin(engagement):
    transitions.activate(engagement)
    while expansion.expand(expansion.expandable_runs()):
        pass


def test_who_is_in_quiet_hours_is_sent_when_they_are_over(engagement, sandbox):
    begin(engagement)
    before = database_clock.now()
    working.once()
    assert set(invariants.received(sandbox)) == {"bo", "cy", "di"}
    (waiting,) = Batch.objects.open()
    ana = Profile.objects.get(external_id="ana")
    assert waiting.profile_ids == [ana.pk]
    left = waiting.next_attempt_at - before
    assert timedelta(minutes=29) < left <= timedelta(minutes=30)

    # As an hour later: it is quiet at another time.
    engagement.quiet_from = (local_now() + timedelta(hours=1)).time()
    engagement.quiet_to = (local_now() + timedelta(hours=2)).time()
    engagement.save(update_fields=["quiet_from", "quiet_to", "updated_at"])
    working.to_the_end(engagement)
    assert invariants.received(sandbox) == dict.fromkeys(("ana", "bo", "cy", "di"), 1)
    assert Delivery.objects.count() == 4


def saved(engagement: Engagement, **fields) -> None:
    """Paused, and saved on its page with these."""
    transitions.pause(engagement)
    form = EngagementForm(instance=engagement)
    typed = {name: form[name].value() for name in form.fields}
    typed = {name: value for name, value in typed.items() if value is not None}
    form = EngagementForm({**typed, **fields}, instance=engagement)
    assert form.is_valid(), form.errors
    form.save()
    transitions.resume(engagement)


def test_after_a_change_of_the_hours_who_waits_is_asked_anew(engagement, sandbox):
    begin(engagement)
    working.once()
    later = (local_now() + timedelta(minutes=50)).time()
    saved(engagement, quiet_to=f"{later:%H:%M}")
    working.once()
    assert "ana" not in invariants.received(sandbox)
    (waiting,) = Batch.objects.open()
    assert waiting.next_attempt_at > database_clock.now() + timedelta(minutes=40)

    saved(engagement, quiet_from="", quiet_to="")
    working.once()
    assert invariants.received(sandbox) == dict.fromkeys(("ana", "bo", "cy", "di"), 1)


@pytest.mark.parametrize(
    ("fields", "is_asked"),
    [
        ({"name": "Another"}, False),
        ({"quiet_from": "", "quiet_to": ""}, True),
        # The run has pinned whose zone it goes by.
        ({"quiet_from": "", "quiet_to": "", "zone_attribute": ""}, False),
    ],
)
def test_whoever_waits_for_something_else_goes_on_waiting(engagement, fields, is_asked):
    if "zone_attribute" in fields:
        Engagement.objects.update(zone_attribute="zone")
        engagement.refresh_from_db()
    begin(engagement)
    Batch.objects.update(next_attempt_at=database_clock.now() + timedelta(hours=9))
    saved(engagement, **fields)
    due = Batch.objects.filter(next_attempt_at__lte=database_clock.now())
    assert due.exists() is is_asked


def test_brought_forward_they_are_put_off_again(engagement, sandbox):
    begin(engagement)
    for _ in range(3):
        working.once()
        working.make_due(engagement)
    assert "ana" not in invariants.received(sandbox)
    assert Batch.objects.open().people() == 1


def test_skipped_where_the_engagement_says_so(engagement, sandbox):
    Engagement.objects.update(quiet_action="skip")
    engagement.refresh_from_db()
    begin(engagement)
    working.to_the_end(engagement)
    skipped = Delivery.objects.get(state="skipped")
    assert skipped.reason.startswith("quiet_hours: Quiet from ")
    assert "(Asia/Kathmandu)" in skipped.reason
    assert set(invariants.received(sandbox)) == {"bo", "cy", "di"}


def test_while_they_wait_the_other_guards_go_on(engagement, sandbox):
    begin(engagement)
    working.once()
    ana = Profile.objects.get(external_id="ana")
    Suppression.objects.create(kind="person", profile=ana)
    working.to_the_end(engagement)
    assert "ana" not in invariants.received(sandbox)
    assert Delivery.objects.get(profile=ana).reason.startswith("suppressed:")


def test_who_is_stopped_for_good_is_not_put_off(engagement, sandbox):
    ana = Profile.objects.get(external_id="ana")
    Suppression.objects.create(kind="person", profile=ana)
    begin(engagement)
    working.once()
    assert not Batch.objects.open().exists()


def test_a_whole_batch_is_put_off(engagement, sandbox):
    """Everybody is where it is quiet: the zone of those who have none."""
    now = datetime.now(UTC)
    Engagement.objects.update(
        quiet_zone_attribute="",
        quiet_time_zone="UTC",
        quiet_from=(now - timedelta(minutes=30)).time(),
        quiet_to=(now + timedelta(minutes=30)).time(),
    )
    engagement.refresh_from_db()
    begin(engagement)
    working.once()
    assert sandbox.requests() == []
    assert Batch.objects.open().people() == 4
    assert not Delivery.objects.exists()
