"""Draft, live, paused, archived: what each does, and the way from one to another."""

import json

import pytest
from django.contrib.admin.models import LogEntry
from django.db import IntegrityError, transaction
from django.test import Client, TestCase
from django.urls import reverse

from engagements.authoring.forms import EngagementForm
from engagements.lifecycle import transitions
from segments import tasks
from segments.life import states
from segments.membership import refresh, rule_changes
from segments.models import Proposal, Segment
from tests import factories
from tests.pages import words

pytestmark = pytest.mark.django_db

State = Segment.State
PUNE = {"attribute": "city", "is": "equals", "value": "Pune"}
MARKETER = ("segments.view_segment", "segments.change_segment")


def url(segment, page):
    return reverse(f"admin:segments_segment_{page}", args=[segment.pk])


def press(client, segment, page, **data):
    with TestCase.captureOnCommitCallbacks(execute=True):
        answer = client.post(url(segment, page), data)
    segment.refresh_from_db()
    return answer


def test_a_segment_that_is_saved_without_live_is_a_draft_and_empty(admin_client):
    factories.make_profile(city="Pune")
    form = {"name": "Locals", "rule": json.dumps(PUNE)}
    with TestCase.captureOnCommitCallbacks(execute=True):
        admin_client.post(reverse("admin:segments_segment_add"), form)
    segment = Segment.objects.get()
    assert (segment.state, segment.size) == (State.DRAFT, 0)
    assert "nobody is in it before it is live" in words(
        admin_client.get(segment.get_absolute_url())
    )

    assert press(admin_client, segment, "live").status_code == 302
    assert (segment.state, segment.size) == (State.LIVE, 1)


def test_paused_keeps_its_people_whatever_they_do(admin_client):
    person = factories.make_profile(city="Pune")
    segment = factories.make_segment(rule=PUNE)
    refresh.refresh(segment.pk)
    press(admin_client, segment, "pause")
    person.attributes = {"city": "Delhi"}
    person.save()
    factories.make_profile(city="Pune")
    refresh.evaluate([person.pk])
    assert segment.state == State.PAUSED
    assert [m.profile for m in segment.memberships.all()] == [person]
    row = words(admin_client.get(reverse("admin:segments_segment_changelist")))
    assert "Paused" in row

    press(admin_client, segment, "live")
    assert (segment.state, segment.size) == (State.LIVE, 1)
    assert segment.memberships.get().profile != person


def test_an_archived_segment_is_out_of_the_way_read_and_not_changed(admin_client):
    segment = factories.make_segment([factories.make_profile()], rule=PUNE)
    press(admin_client, segment, "archive", why="It is old.")
    assert segment.state == State.ARCHIVED
    assert "It is old." in LogEntry.objects.latest("pk").change_message
    listed = reverse("admin:segments_segment_changelist")
    # What was done is said once, on the next page.
    assert "archived." in words(admin_client.get(segment.get_absolute_url()))
    assert segment.name not in words(admin_client.get(listed))
    assert "All segments are archived." in words(admin_client.get(listed))
    assert segment.name in words(admin_client.get(f"{listed}?state=archived"))
    assert segment.name in words(admin_client.get(f"{listed}?state=all"))

    own = admin_client.get(segment.get_absolute_url())
    assert own.status_code == 200
    form = {"name": "Renamed", "rule": json.dumps(PUNE), "is_active": "on"}
    assert admin_client.post(segment.get_absolute_url(), form).status_code == 403
    for page in ("live", "pause", "restore", "archive"):
        assert admin_client.post(url(segment, page)).status_code == 403, page
    assert segment.memberships.count() == 1

    press(admin_client, segment, "unarchive")
    assert segment.state == State.PAUSED


def test_a_draft_comes_back_as_one(admin_client):
    segment = factories.make_segment(rule=PUNE, is_active=False, is_draft=True)
    for page, state in (("archive", State.ARCHIVED), ("unarchive", State.DRAFT)):
        press(admin_client, segment, page)
        assert segment.state == state


@pytest.mark.parametrize("state", ["active", "paused", "blocked"])
def test_what_is_at_work_keeps_a_segment_from_being_archived(admin_client, state):
    segment = factories.make_segment(rule=PUNE)
    engagement = factories.make_engagement(segment, state=state)
    page = admin_client.get(url(segment, "archive"))
    assert engagement.get_absolute_url() in page.text
    assert 'type="submit" class="lb-button lb-button--danger"' not in page.text
    press(admin_client, segment, "archive")
    assert segment.state == State.LIVE


def test_another_segment_keeps_it_from_being_archived(admin_client):
    segment = factories.make_segment(rule=PUNE)
    rule = {"all": [PUNE, {"any": [{"segment": segment.pk}]}]}
    reader = factories.make_segment(rule=rule, name="Reader")
    assert reader.name in words(admin_client.get(url(segment, "used")))
    with pytest.raises(states.StillUsedError):
        states.archive(segment, factories.make_admin())


def test_archiving_rejects_what_was_proposed(admin_client):
    segment = factories.make_segment(rule=PUNE)
    user = factories.make_user()
    proposal = rule_changes.propose(segment, {"event": "Sale"}, True, user)
    press(admin_client, segment, "archive")
    proposal.refresh_from_db()
    assert proposal.state == Proposal.State.REJECTED
    late = Proposal.objects.create(segment=segment, rule=PUNE, is_active=True)
    seen = rule_changes.fingerprint(segment)
    assert not rule_changes.accept(late, user, seen)
    segment.refresh_from_db()
    assert segment.state == State.ARCHIVED


def test_pausing_and_going_live_ask_with_numbers_where_somebody_sends(admin_client):
    for _ in range(3):
        factories.make_profile(city="Pune")
    segment = factories.make_segment(rule=PUNE, is_active=False)
    factories.make_engagement(segment, state="active", name="Welcome")
    page = admin_client.get(url(segment, "live"))
    assert page.context["forecast"].entering.count == 3
    page = admin_client.post(url(segment, "live"))
    assert page.status_code == 200
    segment.refresh_from_db()
    assert segment.state == State.PAUSED

    seen = page.context["seen"]
    press(admin_client, segment, "live", _confirm="1", _seen=seen)
    assert (segment.state, segment.size) == (State.LIVE, 3)

    page = admin_client.post(url(segment, "pause"))
    assert page.status_code == 200
    press(admin_client, segment, "pause", _confirm="1", _seen=page.context["seen"])
    assert (segment.state, segment.size) == (State.PAUSED, 3)


def test_who_may_not_activate_proposes_to_pause():
    segment = factories.make_segment(rule=PUNE)
    factories.make_engagement(segment, state="active")
    client = Client()
    client.force_login(factories.make_user(*MARKETER))
    page = client.post(url(segment, "pause"))
    assert "Propose the change" in page.text
    seen = page.context["seen"]
    assert press(client, segment, "pause", _confirm="1", _seen=seen).status_code == 403
    press(client, segment, "pause", _propose="1", _seen=seen)
    assert segment.state == State.LIVE
    proposal = Proposal.objects.get()
    assert (proposal.rule, proposal.is_active) == (PUNE, False)


def test_a_rule_that_is_wrong_does_not_go_live(admin_client):
    segment = factories.make_segment(rule={"broken": 1}, is_active=False)
    press(admin_client, segment, "live")
    assert segment.state == State.PAUSED
    # Of a live one the way back is open.
    Segment.objects.filter(pk=segment.pk).update(is_active=True)
    for page in ("pause", "archive"):
        press(admin_client, segment, page)
        assert segment.state == {"pause": State.PAUSED, "archive": State.ARCHIVED}[page]


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({"broken": 1}, "use exactly one of"),
        ({"segment": 999}, "the segment 999 is not there any more"),
        ({"all": [PUNE, {"list": 999}]}, "the list 999 is not there any more"),
        ({"not": {"sent": 999}}, "the Engagement 999 is not there any more"),
        ({"snapshot": 999}, "the fixed list 999 is not there any more"),
    ],
)
def test_what_cannot_be_saved_is_not_duplicated(admin_client, rule, said):
    segment = factories.make_segment(rule=rule)
    answer = admin_client.post(url(segment, "duplicate"), follow=True)
    assert said in words(answer)
    assert Segment.objects.get() == segment


@pytest.mark.parametrize(
    ("fields", "state"),
    [
        ({}, State.LIVE),
        ({"is_active": False}, State.PAUSED),
        ({"is_active": False, "is_draft": True}, State.DRAFT),
    ],
)
def test_a_list_has_the_states_that_rows_say(admin_client, fields, state):
    shown = factories.make_segment(name="This one", **fields)
    other = {"is_active": state != State.LIVE}
    factories.make_segment(name="The other", **other)
    assert shown.state == state
    page = words(admin_client.get(f"/admin/segments/segment/?state={state}"))
    assert "This one" in page
    assert "The other" not in page


def test_a_segment_is_in_one_state():
    for fields in ({"is_draft": True}, {"archived_at": "2026-01-01T00:00Z"}):
        with pytest.raises(IntegrityError), transaction.atomic():
            factories.make_segment(is_active=True, **fields)


@pytest.mark.parametrize("state", ["draft", "paused", "archived"])
def test_an_engagement_is_activated_for_a_live_segment_only(state):
    segment = factories.make_segment(is_active=False, is_draft=state == "draft")
    engagement = factories.make_engagement(segment)
    if state == "archived":
        states.archive(segment, factories.make_admin())
    with pytest.raises(transitions.ActivationError, match=f"it is {state}"):
        transitions.activate(engagement)


def test_an_archived_segment_is_not_offered_to_another_engagement():
    segment = factories.make_segment(name="Old")
    engagement = factories.make_engagement(segment)
    states.archive(segment, factories.make_admin())
    assert segment not in EngagementForm().fields["segment"].queryset
    assert segment in EngagementForm(instance=engagement).fields["segment"].queryset


def test_a_copy_is_a_draft_with_a_name_of_its_own(admin_client):
    segment = factories.make_segment(rule=PUNE, name="L" * 255, description="Who")
    for _ in range(2):
        press(admin_client, segment, "duplicate")
    first, second = Segment.objects.exclude(pk=segment.pk).order_by("pk")
    assert {first.state, second.state} == {State.DRAFT}
    assert (first.rule, first.description) == (PUNE, "Who")
    assert first.name != second.name
    assert second.name.endswith("(2)")
    assert first.versions.get().note.startswith("Duplicated from “LLL")
    assert first.memberships.count() == 0


@pytest.mark.parametrize("state", ["paused", "archived"])
def test_a_worker_who_comes_late_counts_nobody_anew(state):
    """A count was asked for while it was live."""
    person = factories.make_profile(city="Pune")
    segment = factories.make_segment(rule=PUNE)
    refresh.refresh(segment.pk)
    if state == "archived":
        states.archive(segment, factories.make_admin())
    else:
        Segment.objects.update(is_active=False)
    person.attributes = {}
    person.save()
    tasks.refresh_segment(segment.pk)
    assert segment.memberships.get().profile == person
    assert segment.transitions.count() == 1
