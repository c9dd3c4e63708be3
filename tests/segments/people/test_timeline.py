"""A person's timeline: every log's entries once, in order, whatever the page's size."""

from datetime import UTC, datetime, timedelta

import pytest

from segments.models import Event, MergeLog, Transition
from segments.people import timeline
from tests.factories import (
    make_admin,
    make_event,
    make_profile,
    make_segment,
    make_user,
)
from tests.pages import words

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.fixture
def person():
    """Someone with twelve entries of three logs, of which many are of one moment."""
    person, segment = make_profile(), make_segment(name="Leads")
    part = make_profile(external_id=None)
    for number in range(6):
        event = make_event(person, f"Event {number}")
        Event.objects.filter(pk=event.pk).update(time=NOON + timedelta(number // 4))
    for number in range(4):
        move = Transition.objects.create(
            segment=segment, profile=person, kind="entry", event=event
        )
        Transition.objects.filter(pk=move.pk).update(at=NOON + timedelta(number // 3))
    for day in (0, 2):
        merge = MergeLog.objects.create(
            kind="merge", profile=person, part=part, reason="One device"
        )
        MergeLog.objects.filter(pk=merge.pk).update(at=NOON + timedelta(day))
    make_event(make_profile(), "Somebody else's")
    return person


def walk(person, user, size, chosen=None):
    found, older = [], ""
    while True:
        logs = chosen or timeline.logs_for(user)
        page = timeline.read(person, user, logs, older, size)
        assert len(page.entries) <= size
        found += [(log.name, entry.id, entry.at) for log, entry in page.entries]
        older = page.older
        if not older:
            return found


@pytest.mark.parametrize("size", [1, 2, 3, 5, 11, 12, 13])
def test_every_entry_is_shown_once_newest_first(person, size):
    user = make_admin()
    found = walk(person, user, size)
    assert len(found) == len(set(found)) == 12
    assert [at for *_, at in found] == sorted((at for *_, at in found), reverse=True)
    assert found == walk(person, user, 100)


def test_one_log_alone(person):
    user = make_admin()
    events = [log for log in timeline.logs_for(user) if log.name == "events"]
    found = walk(person, user, 2, events)
    assert {name for name, *_ in found} == {"events"}
    assert len(found) == 6


@pytest.mark.parametrize(
    "key",
    ["x", "~~", "2026-01-31T12:00:00~events~1", "2026-01-31T12:00:00+00:00~events~-5"]
    + ["2026-01-31T12:00:00+00:00~events~" + "9" * 30, "\0", "9" * 9_000],
)
def test_a_key_of_nobody_s_begins_at_the_newest(person, key):
    user = make_admin()
    logs = timeline.logs_for(user)
    assert timeline.read(person, user, logs, key) == timeline.read(person, user, logs)


def test_nobody_reads_a_log_that_they_may_not_see(person):
    user = make_user("segments.view_event")
    assert [log.name for log in timeline.logs_for(user)] == ["events"]


def test_the_page_shows_it_and_goes_on(admin_client, person, monkeypatch):
    monkeypatch.setattr(timeline, "SIZE", 5)
    for _ in range(60):
        make_event(person, "Page Viewed", url="https://example.com")
    page = admin_client.get(person.get_absolute_url())
    assert "Page Viewed" in page.text
    assert "Event 0" not in page.text
    older = admin_client.get(
        f"?{page.context['older_query']}".join([person.get_absolute_url(), ""])
    )
    for text in ("Event 0", "Entered", "Leads", "One device", "because of"):
        assert text in older.text
    one = admin_client.get(person.get_absolute_url(), {"show": "merges"}).text
    assert "One device" in one
    assert "Page Viewed" not in one


def test_attributes_tell_when_and_where_they_were_said(admin_client):
    person = make_profile(city="Pune", plan="gold")
    source = make_event(person).source
    noon = int(NOON.timestamp() * 1_000_000)
    type(person).objects.filter(pk=person.pk).update(
        phone="+442071838750",
        attribute_times={
            "": [noon, "m-1", source.pk],
            "phone": [noon, "m-2", source.pk, "020 7183 8750"],
        },
    )
    page = admin_client.get(person.get_absolute_url())
    assert "sent as “020 7183 8750”" in page.text
    assert words(page).count(f"31 Jan 2026, 12:00:00 UTC, {source.name}") == 4
