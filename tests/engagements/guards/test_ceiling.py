"""A run that would take in too many stops and asks, before the first of them."""

import re

import pytest
from django.test import Client
from django.urls import reverse

from engagements.audience import expansion
from engagements.guards import ceiling
from engagements.lifecycle import transitions
from engagements.models import Batch, Engagement, Run
from segments.membership import refresh
from segments.models import Profile
from tests import factories
from tests.faults import invariants, working
from tests.pages import words

pytestmark = pytest.mark.django_db

PRO = {"attribute": "plan", "is": "equals", "value": "pro"}


@pytest.fixture
def active(braze):
    """An active engagement of so many people, with this ceiling."""

    def make(people: int, ceiling: int, **fields) -> Engagement:
        for i in range(people):
            factories.make_profile(external_id=f"p{i}", first_name="x", plan="pro")
        segment = factories.make_segment(rule=PRO)
        version = factories.make_version(connection=braze)
        engagement = factories.make_engagement(
            segment, version, ceiling=ceiling, **fields
        )
        if engagement.trigger == "schedule":
            refresh.refresh(segment.pk)
        transitions.activate(engagement)
        refresh.refresh(segment.pk)
        return engagement

    return make


@pytest.fixture(params=["schedule", "on_entry"])
def trigger(request) -> str:
    return str(request.param)


def test_as_many_as_the_ceiling_are_sent(active, sandbox, trigger):
    engagement = active(5, 5, trigger=trigger)
    working.once()
    assert sum(invariants.received(sandbox).values()) == 5
    engagement.refresh_from_db()
    assert engagement.blocked_reason == ""


def test_above_it_nobody_is_sent_before_an_approver_lets_it_go_on(
    active, sandbox, trigger, admin_page
):
    engagement = active(6, 5, trigger=trigger)
    working.once()
    engagement.refresh_from_db()
    assert engagement.state == "paused"
    assert "ceiling of 5" in engagement.blocked_reason
    assert "6 people wait" in engagement.blocked_reason
    assert not Batch.objects.exists()
    assert sandbox.requests() == []
    page = words(admin_page.get(engagement.get_absolute_url()))
    assert "Stopped to ask." in page and "Go on" in page
    assert "Nobody is taken in yet: it has stopped to ask." in page
    assert "Nobody has qualified yet" not in page

    # To resume alone does not let it go on.
    transitions.resume(engagement)
    working.once()
    engagement.refresh_from_db()
    assert engagement.state == "paused" and sandbox.requests() == []

    url = reverse("admin:engagements_engagement_go_on", args=[engagement.pk])
    admin_page.post(url)
    working.once()
    assert invariants.received(sandbox) == {f"p{i}": 1 for i in range(6)}


def _primary(client, engagement) -> list[str]:
    """The words of the primary buttons above the form."""
    page = client.get(engagement.get_absolute_url()).text.split("engagement-form")[0]
    return re.findall(r'lb-button--primary"[^>]*>([^<]+)<', page)


def test_one_button_at_a_time_is_the_primary(active, admin_client):
    engagement = active(6, 5, trigger="schedule")
    working.once()
    assert _primary(admin_client, engagement) == ["Go on"]
    # Who may not let it go on may still resume it, say with a higher ceiling.
    client = Client()
    client.force_login(
        factories.make_user(
            "engagements.view_engagement", "engagements.pause_engagement"
        )
    )
    assert _primary(client, engagement) == ["Resume"]
    Run.objects.update(waits_at_ceiling=False)
    assert _primary(admin_client, engagement) == ["Resume"]


def test_where_it_is_to_be_approved_first_that_is_the_primary(active, admin_client):
    engagement = active(6, 10, trigger="schedule")
    expansion.expand(expansion.expandable_runs())
    engagement.refresh_from_db()
    transitions.pause(engagement)
    Engagement.objects.update(approval_above=1)
    assert _primary(admin_client, engagement) == ["Ask for approval"]


def test_who_may_not_activate_does_not_let_it_go_on(active):
    engagement = active(2, 1, trigger="schedule")
    working.once()
    client = Client()
    client.force_login(
        factories.make_user(
            "engagements.view_engagement", "engagements.pause_engagement"
        )
    )
    url = reverse("admin:engagements_engagement_go_on", args=[engagement.pk])
    page = client.get(engagement.get_absolute_url())
    assert "Stopped to ask." in words(page)
    assert url not in page.content.decode()
    assert client.post(url).status_code == 403
    engagement.refresh_from_db()
    assert engagement.state == "paused"


def test_a_cancelled_run_sends_to_nobody(active, sandbox, admin_page):
    engagement = active(2, 1, trigger="schedule")
    working.once()
    run = engagement.runs.get()
    assert transitions.cancel(run)
    engagement.refresh_from_db()
    url = reverse("admin:engagements_engagement_go_on", args=[engagement.pk])
    admin_page.post(url)
    working.once()
    assert sandbox.requests() == []


def test_several_chunks_count_together(active, sandbox, monkeypatch):
    monkeypatch.setattr(expansion, "CHUNK", 2)
    engagement = active(7, 5, trigger="schedule")
    for _ in range(6):
        expansion.expand(expansion.expandable_runs())
    run = engagement.runs.get()
    assert (run.taken_in, run.waits_at_ceiling) == (4, True)
    engagement.refresh_from_db()
    assert "3 people wait" in engagement.blocked_reason
    assert transitions.go_on(engagement)
    working.to_the_end(engagement)
    assert sum(invariants.received(sandbox).values()) == 7


def test_another_day_of_a_standing_run_begins_anew(active, sandbox):
    engagement = active(5, 5)
    working.once()
    person = factories.make_profile(external_id="late", first_name="x", plan="pro")
    yesterday = "2026-01-01"
    Run.objects.update(taken_in_on=yesterday)
    refresh.evaluate([person.pk])
    working.once()
    assert invariants.received(sandbox)["late"] == 1
    assert engagement.runs.get(is_standing=True).taken_in == 1


def test_whose_engagement_was_resumed_does_not_ask_any_more(active):
    """Another day has begun, or the ceiling was raised; nobody comes for a while."""
    engagement = active(6, 5)
    working.once()
    run = engagement.runs.get(is_standing=True)
    assert run.shown_state == Run.ASKING
    engagement.refresh_from_db()
    assert ceiling.waiting_run(engagement) == run
    Engagement.objects.filter(pk=engagement.pk).update(ceiling=9)
    engagement.refresh_from_db()
    assert transitions.resume(engagement)

    run.refresh_from_db()
    assert run.shown_state == Run.LISTENING
    engagement.refresh_from_db()
    transitions.pause(engagement)
    assert ceiling.waiting_run(engagement) is None


def test_who_waits_at_the_ceiling_stops_there_again_after_resume(active, sandbox):
    engagement = active(6, 5)
    working.once()
    engagement.refresh_from_db()
    assert transitions.resume(engagement)
    working.once()

    engagement.refresh_from_db()
    assert ceiling.waiting_run(engagement) is not None
    assert sandbox.requests() == []


def test_new_values_do_not_begin_the_day_anew(active, sandbox):
    engagement = active(5, 5)
    working.once()
    transitions.pause(engagement)
    Engagement.objects.update(values={"Name of the User": "y"})
    engagement.refresh_from_db()
    transitions.resume(engagement)
    person = factories.make_profile(external_id="late", first_name="x", plan="pro")
    refresh.evaluate([person.pk])
    working.once()
    engagement.refresh_from_db()
    assert engagement.state == "paused"
    assert "late" not in invariants.received(sandbox)
    assert Profile.objects.count() == 6
