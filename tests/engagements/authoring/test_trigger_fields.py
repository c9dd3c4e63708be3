"""What the form asks of an Engagement that listens, and what the pages say of it."""

import pytest
from django.urls import reverse

from engagements.authoring.forms import EngagementForm
from engagements.lifecycle import transitions
from engagements.models import Engagement
from engagements.reporting import listening, reports
from tests import factories
from tests.pages import words

pytestmark = pytest.mark.django_db


@pytest.fixture
def leads():
    return factories.make_segment(rule={"event": "Lead"}, event_names=["Lead"])


@pytest.fixture
def form(leads):
    def form(instance=None, **fields) -> EngagementForm:
        typed = {
            "name": "Lead form",
            "segment": leads.pk,
            "version": factories.make_version({"attributes": []}, ()).pk,
            "trigger": "each_event",
            "repeat": "once",
            "time_zone": "UTC",
            "ambiguous_policy": "park",
            **fields,
        }
        return EngagementForm(typed, instance=instance)

    return form


def errors(form: EngagementForm) -> dict[str, str]:
    return {name: " ".join(map(str, own)) for name, own in form.errors.items()}


def test_what_is_left_empty_is_at_once_and_all_of_them(form):
    saved = form().save()
    assert (saved.delay, saved.delay_unit) == (None, "minutes")
    assert (saved.most_events, saved.most_events_per) == (None, "hour")
    assert saved.sent_again == Engagement.Again.ALWAYS


@pytest.mark.parametrize(
    "fields",
    [
        {"trigger": "schedule", "delay": "-5"},
        {"trigger": "schedule", "most_events": "many"},
        {"trigger": "on_entry", "most_events": "0.5"},
        {"trigger": "on_entry", "starts_at": "0001-01-01T00:00"},
        {"again": "once", "again_after_days": "-1"},
    ],
)
def test_what_is_not_shown_is_neither_wrong_nor_kept(form, fields):
    saved = form(**fields).save()
    hidden = ("delay", "most_events", "starts_at", "again_after_days")
    assert {getattr(saved, name) for name in hidden} == {None}


def test_what_is_chosen_is_kept_and_shown_again(form):
    chosen = {
        "delay": "2",
        "delay_unit": "hours",
        "most_events": "3",
        "most_events_per": "day",
    }
    saved = form(**chosen).save()
    saved.refresh_from_db()
    shown = EngagementForm(instance=saved)
    assert {name: str(shown[name].value()) for name in chosen} == chosen


@pytest.mark.parametrize(
    ("fields", "wrong", "says"),
    [
        ({"delay": "-1"}, "delay", "Enter 0 or more"),
        ({"delay": "soon"}, "delay", "whole number"),
        ({"delay": "366", "delay_unit": "days"}, "delay", "at most 365 days"),
        ({"delay": "1", "delay_unit": "weeks"}, "delay_unit", "valid choice"),
        ({"most_events": "0"}, "most_events", "between 1 and 1,000"),
        ({"most_events": "1001"}, "most_events", "between 1 and 1,000"),
        ({"most_events": "1", "again": "once"}, "most_events", "no second event"),
        ({"trigger": "on_whim"}, "trigger", "valid choice"),
    ],
)
def test_what_cannot_be_is_said_at_its_field(form, fields, wrong, says):
    found = errors(form(**fields))
    assert list(found) == [wrong]
    assert says in found[wrong]


def test_a_segment_of_no_event_has_no_events_to_wait_for(form):
    plain = factories.make_segment(rule={"attribute": "a", "is": "exists"})
    assert "asks for no event" in errors(form(segment=plain.pk))["trigger"]
    assert errors(form(segment=plain.pk, trigger="on_exit")) == {}


def test_what_belongs_to_another_trigger_is_dropped(form):
    typed = {"delay": "1", "most_events": "1", "includes_present": "on"}
    assert form(**typed).save().includes_present is True
    on_exit = form(**typed, name="2", trigger="on_exit").save()
    assert on_exit.includes_present is False
    assert (on_exit.delay, on_exit.most_events) == (1, None)
    schedule = form(**typed, name="3", trigger="schedule").save()
    assert (schedule.delay, schedule.most_events) == (None, None)


def test_a_nought_is_no_delay(form):
    assert form(delay="0").save().delay is None


def test_the_delay_of_a_paused_one_changes_and_its_trigger_does_not(form):
    saved = form().save()
    Engagement.objects.update(state="paused")
    saved.refresh_from_db()
    assert errors(form(saved, delay="5")) == {}
    assert "trigger" in errors(form(saved, trigger="on_exit"))


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"trigger": "on_entry"}, "As soon as someone enters the segment"),
        (
            {"trigger": "on_entry", "delay": 1, "delay_unit": "hours"},
            "1 hour after someone enters the segment",
        ),
        (
            {"trigger": "on_entry", "delay": 2, "includes_present": True},
            "Everybody in the segment now, then each person who enters it, 2 minutes"
            " later",
        ),
        (
            {"trigger": "each_event", "most_events": 3, "most_events_per": "hour"},
            "On each qualifying event, at once; at most 3 of a person in an hour",
        ),
        (
            {"trigger": "each_event", "includes_present": True},
            "Everybody in the segment now, then on each qualifying event",
        ),
        (
            {"trigger": "on_exit", "includes_present": True},
            "As soon as someone leaves the segment",
        ),
        (
            {"trigger": "on_exit", "delay": 3, "delay_unit": "days"},
            "3 days after someone leaves the segment",
        ),
    ],
)
def test_a_trigger_reads_as_words(leads, fields, said):
    engagement = factories.make_engagement(leads, **fields)
    assert reports.trigger_in_words(engagement) == said


@pytest.mark.parametrize(
    ("trigger", "begins", "waits", "takes_in"),
    [
        (
            "on_entry",
            "the next person who enters the segment",
            "Who leaves the segment meanwhile is skipped.",
            "Takes in everybody who enters",
        ),
        (
            "each_event",
            "the next qualifying event",
            "Who leaves the segment meanwhile is skipped.",
            "Takes in each qualifying event",
        ),
        (
            "on_exit",
            "the next person who leaves the segment",
            "Who comes back into the segment meanwhile is skipped.",
            "Takes in everybody who leaves",
        ),
    ],
)
def test_the_pages_say_what_is_waited_for(
    admin_page, braze, leads, trigger, begins, waits, takes_in
):
    version = factories.make_version(connection=braze)
    engagement = factories.make_engagement(leads, version, trigger=trigger)
    url = reverse("admin:engagements_engagement_activate", args=[engagement.pk])
    asked = words(admin_page.get(url))
    assert f"it begins with {begins}" in asked
    assert waits in asked
    transitions.activate(engagement)
    run = engagement.runs.get()
    assert takes_in in words(admin_page.get(run.get_absolute_url()))
    page = words(admin_page.get(engagement.get_absolute_url()))
    assert listening.first_in_words(engagement) in page
    assert run.kind_in_words in page
