"""Nobody above what a second person has approved is sent anything before they have."""

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import Group
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.test import Client
from django.urls import reverse

from engagements.audience import expansion
from engagements.guards import approved, ceiling
from engagements.lifecycle import approval, transitions
from engagements.models import (
    Approval,
    ApprovalLimit,
    Batch,
    Delivery,
    Engagement,
    Run,
)
from engagements.recovery import retry_failed
from engagements.reporting import approved_changes
from engagements.schedules import making
from engagements.variants import plan
from externalapi.connections import encryption
from externalapi.models import Connection, ExternalAPIVersion
from lemnisk_braze.lib import database_clock
from segments.membership import refresh, rule_changes
from segments.models import ListFeed, Segment, SourceQuery, UploadedList
from tests import factories
from tests.faults import invariants, working
from tests.pages import words

pytestmark = pytest.mark.django_db

PRO = {"attribute": "plan", "is": "equals", "value": "pro"}
OLD = {"attribute": "plan", "is": "equals", "value": "old"}


def people(count: int, first: int = 0) -> list[int]:
    return [
        factories.make_profile(external_id=f"p{i}", first_name="x", plan="pro").pk
        for i in range(first, first + count)
    ]


@pytest.fixture
def vera():
    user = factories.make_user(username="vera")
    user.groups.set([Group.objects.get(name="Approver")])
    return user


@pytest.fixture
def active(braze):
    """An active engagement of so many people, where above a number two must approve."""

    def make(count: int, above: int, **fields) -> Engagement:
        people(count)
        ApprovalLimit.objects.create(above=above)
        segment = factories.make_segment(rule=PRO)
        version = factories.make_version(connection=braze)
        engagement = factories.make_engagement(segment, version, **fields)
        if engagement.trigger == "schedule":
            refresh.refresh(segment.pk)
        transitions.activate(engagement)
        refresh.refresh(segment.pk)
        return engagement

    return make


@pytest.fixture(params=["schedule", "on_entry"])
def trigger(request) -> str:
    return str(request.param)


def asked_of(engagement: Engagement) -> Approval:
    asked = approved.waiting(engagement)
    assert asked
    return asked


def approve(engagement: Engagement, user, most: int) -> None:
    asked = asked_of(engagement)
    seen = approved.seen(approved.looked_at(engagement, asked.kept_run))
    approval.approve(asked, user, most=most, seen=seen, why="")


def next_day(engagement: Engagement) -> None:
    """The next slot of a daily schedule has come."""
    engagement.refresh_from_db()
    now = database_clock.now()
    Run.objects.create(
        engagement=engagement,
        version=engagement.version,
        values=engagement.values,
        scheduled_for=now,
        slot=f"{now:%Y-%m-%dT%H:%M:%S.%f}",
    )


def test_as_many_as_the_number_are_sent(active, sandbox, trigger):
    engagement = active(5, 5, trigger=trigger)
    working.once()
    assert sum(invariants.received(sandbox).values()) == 5
    assert not Approval.objects.exists()
    engagement.refresh_from_db()
    assert engagement.blocked_reason == ""


def test_above_it_nobody_is_sent_before_it_is_approved_and_then_each_once(
    active, sandbox, trigger, vera
):
    engagement = active(6, 5, trigger=trigger)
    working.once()
    engagement.refresh_from_db()
    asked = asked_of(engagement)
    assert engagement.state == "paused"
    assert "6 people: above 5 a second person must approve" in (
        engagement.blocked_reason
    )
    assert (asked.people, asked.above, asked.asked_by) == (6, 5, None)
    assert asked.run == engagement.runs.get()
    assert not Batch.objects.exists() and sandbox.requests() == []

    # Neither to resume nor to go on is to approve.
    for act in (transitions.resume, transitions.go_on):
        with pytest.raises(transitions.ActivationError, match="waits for approval"):
            act(engagement)
    working.once()
    assert sandbox.requests() == []

    client = Client()
    client.force_login(vera)
    page = words(client.get(engagement.get_absolute_url()))
    assert "Stopped to ask." in page and "Waits for approval." in page
    assert ">Resume</button>" not in page and ">Go on</a>" not in page
    client.post(reverse("admin:engagements_engagement_resume", args=[engagement.pk]))
    engagement.refresh_from_db()
    assert engagement.state == "paused"
    page = words(client.get(asked.get_absolute_url()))
    assert "Approve and go on" in page and "Decline and end" in page
    client.post(
        asked.get_absolute_url(),
        {"_approve": "1", "most": "6", "_seen": asked.digest},
    )
    working.once()
    assert invariants.received(sandbox) == {f"p{i}": 1 for i in range(6)}
    working.once()
    assert sum(invariants.received(sandbox).values()) == 6


def test_declined_it_ends_and_sends_to_nobody(active, sandbox, trigger, vera):
    engagement = active(6, 5, trigger=trigger)
    working.once()
    approval.decline(asked_of(engagement), vera, "Not on a Sunday")
    engagement.refresh_from_db()
    assert engagement.state == "ended"
    assert [run.state for run in engagement.runs.all()] == ["cancelled"]
    working.once()
    assert sandbox.requests() == []
    assert Approval.objects.get().state == "declined"


def test_of_many_chunks_none_is_sent_before(active, sandbox, monkeypatch, vera):
    monkeypatch.setattr(expansion, "CHUNK", 2)
    engagement = active(7, 5, trigger="schedule")
    working.once()
    assert sandbox.requests() == [] and not Batch.objects.exists()
    approve(engagement, vera, 7)
    working.to_the_end(engagement)
    assert invariants.received(sandbox) == {f"p{i}": 1 for i in range(7)}


def test_who_was_sent_before_does_not_count(active, sandbox):
    engagement = active(5, 5, trigger="schedule", repeat="daily", again="once")
    working.to_the_end(engagement)
    refresh.evaluate(people(3, first=5))
    next_day(engagement)
    working.to_the_end(engagement)
    engagement.refresh_from_db()
    assert engagement.state == "active"
    assert invariants.received(sandbox) == {f"p{i}": 1 for i in range(8)}


def test_a_daily_run_that_grows_waits_above_what_was_approved(active, sandbox, vera):
    engagement = active(6, 5, trigger="schedule", repeat="daily")
    working.once()
    approve(engagement, vera, 8)
    working.to_the_end(engagement)
    assert sum(invariants.received(sandbox).values()) == 6
    refresh.evaluate(people(2, first=6))
    next_day(engagement)
    working.to_the_end(engagement)
    assert sum(invariants.received(sandbox).values()) == 6 + 8
    refresh.evaluate(people(1, first=8))
    next_day(engagement)
    working.once()
    engagement.refresh_from_db()
    assert engagement.state == "paused"
    assert "9 people: above 8" in engagement.blocked_reason
    assert sum(invariants.received(sandbox).values()) == 6 + 8
    approve(engagement, vera, 9)
    working.to_the_end(engagement)
    assert sum(invariants.received(sandbox).values()) == 6 + 8 + 9


@pytest.mark.parametrize("what", ["rule", "version", "values", "setting"])
def test_what_is_changed_after_the_approval_is_not_approved(
    active, sandbox, vera, what
):
    engagement = active(6, 5, trigger="schedule", repeat="daily")
    working.once()
    approve(engagement, vera, 100)
    working.to_the_end(engagement)
    assert approved.allowance(engagement) == 100
    if what == "rule":
        by = factories.make_admin()
        both = {"any": [PRO, OLD]}
        rule_changes.change(engagement.segment, both, True, by)
        refresh.refresh(engagement.segment_id)
    elif what == "version":
        version = factories.make_version(
            external_api=engagement.version.external_api,
            connection=engagement.version.connection,
        )
        Engagement.objects.update(version=version)
    elif what == "values":
        Engagement.objects.update(values={"Name of the User": "y"})
    else:
        # So few that of six nobody is drawn.
        Engagement.objects.update(holdout_share=1e-9)
    next_day(engagement)
    working.once()
    engagement.refresh_from_db()
    assert engagement.state == "paused"
    assert sum(invariants.received(sandbox).values()) == 6
    approve(engagement, vera, 6)
    working.to_the_end(engagement)
    assert sum(invariants.received(sandbox).values()) >= 6 + 5


def test_the_rule_of_a_segment_that_is_asked_for_is_part_of_it(active, vera):
    engagement = active(6, 5, trigger="schedule", repeat="daily")
    inner = engagement.segment
    outer = factories.make_segment(rule={"segment": inner.pk, "is": "in"})
    Segment.objects.filter(pk=outer.pk).update(reads_segments=[inner.pk])
    Engagement.objects.update(segment=outer)
    engagement.refresh_from_db()
    before = approved.digest(approved.content(engagement))
    Segment.objects.filter(pk=inner.pk).update(name="Called otherwise")
    assert approved.digest(approved.content(engagement)) == before
    Segment.objects.filter(pk=inner.pk).update(rule=OLD)
    assert approved.digest(approved.content(engagement)) != before


def test_entries_of_another_day_are_counted_anew(active, sandbox, vera):
    engagement = active(6, 5)
    working.once()
    approve(engagement, vera, 7)
    working.once()
    assert sum(invariants.received(sandbox).values()) == 6
    refresh.evaluate(people(1, first=6))
    working.once()
    assert invariants.received(sandbox)["p6"] == 1
    refresh.evaluate(people(1, first=7))
    working.once()
    engagement.refresh_from_db()
    assert engagement.state == "paused" and "p7" not in invariants.received(sandbox)
    # The next day there is room again; whoever waits is still to be approved.
    Run.objects.update(taken_in_on="2026-01-01")
    with pytest.raises(transitions.ActivationError):
        transitions.resume(engagement)
    approve(engagement, vera, 8)
    working.once()
    assert invariants.received(sandbox) == {f"p{i}": 1 for i in range(8)}


def test_who_waits_in_line_is_not_sent_what_was_changed(active, sandbox, vera):
    """They were taken in with the approval; a guard that was dropped would let them by."""
    engagement = active(6, 5, trigger="schedule")
    working.once()
    approve(engagement, vera, 6)
    expansion.expand(expansion.expandable_runs())
    transitions.pause(engagement)
    assert Batch.objects.open().people() == 6
    Engagement.objects.update(heeds_global_holdout=False)
    engagement.refresh_from_db()
    with pytest.raises(transitions.ActivationError, match="6 people wait in line"):
        transitions.resume(engagement)
    client = Client()
    client.force_login(factories.make_admin())
    page = words(client.get(engagement.get_absolute_url()))
    assert "Ask for approval</button>" in page
    client.post(reverse("admin:engagements_engagement_ask", args=[engagement.pk]))
    assert asked_of(engagement).people == 6
    working.once()
    assert sandbox.requests() == []
    approve(engagement, vera, 6)
    working.to_the_end(engagement)
    assert invariants.received(sandbox) == {f"p{i}": 1 for i in range(6)}


@pytest.mark.parametrize(
    "fields", [{"trigger": "schedule", "repeat": "daily"}, {"trigger": "on_entry"}]
)
def test_values_and_a_guard_are_changed_while_people_wait_in_line(
    active, sandbox, vera, fields
):
    """Those in line keep their values: one answer is about these and the new ones."""
    engagement = active(6, 5, **fields)
    working.once()
    approve(engagement, vera, 7)
    expansion.expand(expansion.expandable_runs())
    transitions.pause(engagement)
    Engagement.objects.update(
        values={"Name of the User": "y"}, heeds_global_holdout=False
    )
    engagement.refresh_from_db()
    assert approval.ask(engagement, factories.make_admin(), 6)
    said = [one.in_words for one in approved_changes.since(asked_of(engagement)).lines]
    assert "“Name of the User”: {{ profile.first_name }} → y" in said
    kept = "“Name of the User”, for who waits in line: {{ profile.first_name }}"
    assert kept in said
    # Who looked at the new ones alone has not seen all of it.
    with pytest.raises(approval.AnsweredError):
        digest = approved.digest(approved.content(engagement))
        approval.approve(asked_of(engagement), vera, most=7, seen=digest, why="")
    approve(engagement, vera, 7)
    working.once()
    assert invariants.received(sandbox) == {f"p{i}": 1 for i in range(6)}
    assert {name_of(sandbox, f"p{i}") for i in range(6)} == {"x"}
    refresh.evaluate(people(1, first=6))
    if engagement.trigger == "schedule":
        next_day(engagement)
    working.once()
    assert name_of(sandbox, "p6") == "y"


def name_of(sandbox, person: str) -> str:
    user = sandbox.user(person)
    assert user
    return str(user["first_name"])


@pytest.mark.parametrize("of", ["engagement", "segment"])
@pytest.mark.parametrize("where", ["value", "variant", "payload"])
def test_a_name_that_is_sent_is_part_of_it(active, vera, of, where):
    """Whoever may name something else would write what everybody is sent."""
    text = f"{{{{ {of}.name }}}}"
    fields: dict[str, object] = {"trigger": "schedule", "repeat": "daily"}
    if where == "value":
        fields["values"] = {"Name of the User": text}
    elif where == "variant":
        ours = plan.Variant("B", "Ours", 50, {"Name of the User": text})
        fields["variants"] = plan.made([plan.Variant("A", "", 50), ours]).as_json()
    engagement = active(6, 5, **fields)
    if where == "payload":
        ExternalAPIVersion.objects.update(payload=f'{{"greeting": "{text}"}}')
    working.once()
    approve(engagement, vera, 6)
    assert approved.allowance(engagement) == 6
    model = Engagement if of == "engagement" else Segment
    model.objects.update(name="Free money")
    assert approved.allowance(engagement) == 5
    asked = factories.make_approval(engagement)
    [line] = approved_changes.since(asked).lines
    assert line.in_words.startswith(f"Name of the {of.capitalize()}: ")
    assert line.in_words.endswith(" → Free money")
    otto = factories.make_user(username="otto")
    changed_by(otto, engagement.segment)
    assert (otto.pk in approval.concerned(asked)) is (of == "segment")


@pytest.mark.parametrize("text", ["{{ engagement.delivery_id }}", "engagement", "x"])
def test_a_name_that_is_not_sent_is_no_part_of_it(active, vera, text):
    values = {"Name of the User": text}
    engagement = active(6, 5, trigger="schedule", repeat="daily", values=values)
    working.once()
    approve(engagement, vera, 6)
    for model in (Engagement, Segment):
        model.objects.update(name="Otherwise")
    assert approved.allowance(engagement) == 6


def test_another_address_is_not_approved(active, braze, vera):
    """Not even where the version is the same: people's data would go elsewhere."""
    engagement = active(6, 5, trigger="schedule", repeat="daily")
    working.once()
    approve(engagement, vera, 6)
    Connection.objects.update(requests_per_burst=5, name="Called otherwise")
    encryption.set_key(Connection.objects.get(pk=braze.pk), "another-key")
    assert approved.allowance(engagement) == 6
    Connection.objects.update(base_url="https://rest.example.com")
    assert approved.allowance(engagement) == 5
    asked = factories.make_approval(engagement)
    [line] = approved_changes.since(asked).lines
    assert line.label == "Where it is sent to" and "example.com" not in line.in_words
    otto = factories.make_user(username="otto", is_superuser=True)
    assert otto.pk not in approval.concerned(asked)
    changed_by(otto, braze)
    assert approval.concerned(asked)[otto.pk].startswith("You have changed where")


def test_another_query_of_a_list_is_not_approved(active, vera):
    """Of a segment from a warehouse it says who is in, as a rule does of others."""
    engagement = active(6, 5, trigger="schedule", repeat="daily")
    of = UploadedList.objects.create(name="VIPs", kind="external_id")
    source = SourceQuery.objects.create(
        name="Ours", kind="duckdb", query="SELECT 1", source=factories.make_source()
    )
    feed = ListFeed.objects.create(
        of=of, source=source, query="SELECT id FROM vips", column="id"
    )
    rule_changes.change(engagement.segment, {"list": of.pk}, True, vera)
    working.once()
    otto = factories.make_user(username="otto", is_superuser=True)
    approve(engagement, otto, 6)
    assert approved.allowance(engagement) == 6
    ListFeed.objects.update(every=60, last_rows=5)
    assert approved.allowance(engagement) == 6
    ListFeed.objects.filter(pk=feed.pk).update(query="SELECT id FROM everybody")
    assert approved.allowance(engagement) == 5
    asked = factories.make_approval(engagement)
    [line] = approved_changes.since(asked).lines
    assert line.label == "Who is on its lists" and "everybody" not in line.in_words
    assert vera.pk not in approval.concerned(asked)
    changed_by(vera, engagement.segment)
    assert approval.concerned(asked)[vera.pk] == approval.CHANGED_WHO


def changed_by(user, what) -> None:
    kind = ContentType.objects.get_for_model(what)
    LogEntry.objects.create(
        user=user, content_type=kind, object_id=what.pk, action_flag=CHANGE
    )


def test_a_higher_number_lets_go_on_whoever_waits(active, sandbox, trigger):
    engagement = active(6, 5, trigger=trigger)
    working.once()
    ApprovalLimit.objects.update(above=6)
    assert transitions.resume(engagement)
    working.once()
    assert sum(invariants.received(sandbox).values()) == 6


def test_a_cancelled_run_is_not_asked_about_any_more(active, sandbox, vera):
    engagement = active(6, 5, trigger="schedule", repeat="daily")
    working.once()
    asked = asked_of(engagement)
    assert transitions.cancel(engagement.runs.get())
    asked.refresh_from_db()
    assert asked.state == "closed"
    assert transitions.resume(engagement)
    working.once()
    assert sandbox.requests() == []


def test_without_the_number_it_goes_on(active, sandbox):
    engagement = active(6, 5)
    working.once()
    ApprovalLimit.objects.all().delete()
    assert transitions.resume(engagement)
    working.once()
    assert sum(invariants.received(sandbox).values()) == 6
    assert Approval.objects.get().state == "closed"


def test_who_edits_while_a_run_waits_does_not_approve_the_next(active, vera, sandbox):
    """The run that waits keeps its values: its approval is not about the new ones."""
    engagement = active(6, 5, trigger="schedule", repeat="daily")
    working.once()
    otto = factories.make_user(username="otto", is_superuser=True)
    before = approved.content(engagement)
    Engagement.objects.update(values={"Name of the User": "y"})
    engagement.refresh_from_db()
    approved.note_change(engagement, before, otto.pk)
    approve(engagement, vera, 6)
    working.to_the_end(engagement)
    next_day(engagement)
    working.once()
    asked = asked_of(engagement)
    assert otto.pk in approval.concerned(asked)
    with pytest.raises(PermissionDenied):
        approve(engagement, otto, 6)
    approve(engagement, vera, 6)
    engagement.refresh_from_db()
    assert engagement.changed_by == []
    working.to_the_end(engagement)
    assert invariants.received(sandbox) == {f"p{i}": 2 for i in range(6)}


def test_it_stays_approved_when_who_approved_it_leaves(active, sandbox, vera):
    engagement = active(6, 5, trigger="schedule", repeat="daily")
    working.once()
    approve(engagement, vera, 6)
    working.to_the_end(engagement)
    vera.groups.clear()
    assert approved.allowance(engagement) == 6
    vera.delete()
    next_day(engagement)
    working.to_the_end(engagement)
    assert invariants.received(sandbox) == {f"p{i}": 2 for i in range(6)}
    client = Client()
    client.force_login(factories.make_admin())
    page = words(client.get(engagement.get_absolute_url()))
    assert "Somebody who is not here any more" in page and "for up to 6" in page


def test_above_its_ceiling_as_well_one_answer_is_enough(active, sandbox, vera):
    engagement = active(6, 5, trigger="schedule", ceiling=5)
    working.once()
    approve(engagement, vera, 6)
    working.once()
    assert sum(invariants.received(sandbox).values()) == 6


def test_what_was_counted_before_the_approval_does_not_stop_it(active, vera):
    """Counted by a worker that comes to stop it when somebody has just approved."""
    engagement = active(6, 5, trigger="schedule")
    run = engagement.runs.get()
    stale = ceiling.NotApprovedError(run.pk, 6, 5)
    working.once()
    approve(engagement, vera, 6)
    ceiling.stop(stale, 6)
    engagement.refresh_from_db()
    assert engagement.state == "active"
    assert approved.waiting(engagement) is None


def test_a_setting_that_is_new_asks_nobody_again(active, vera, monkeypatch):
    """A version of the product with more settings: as they always were, nothing differs."""
    engagement = active(6, 5, trigger="schedule", repeat="daily")
    working.once()
    fewer = tuple(name for name in approved.FIELDS if name != "heeds_caps")
    with monkeypatch.context() as earlier:
        earlier.setattr(approved, "FIELDS", fewer)
        approve(engagement, vera, 6)
    assert approved.allowance(engagement) == 6
    Engagement.objects.update(heeds_caps=False)
    assert approved.allowance(engagement) == 5


def test_a_due_run_is_made_as_ever(active):
    """The schedule itself asks nobody: its run stops."""
    engagement = active(6, 5, trigger="schedule")
    working.once()
    engagement.refresh_from_db()
    assert making.make_due_runs(database_clock.now()) == 0
    assert engagement.runs.count() == 1


def test_a_standing_run_asks_about_what_it_sends_when_it_goes_on(active, sandbox, vera):
    """Edited while it waits: whoever is taken in after the answer gets the new values."""
    engagement = active(6, 5)
    working.once()
    Engagement.objects.update(values={"Name of the User": "y"})
    engagement.refresh_from_db()
    approve(engagement, vera, 6)
    working.once()
    engagement.refresh_from_db()
    assert engagement.state == "active"
    assert invariants.received(sandbox) == {f"p{i}": 1 for i in range(6)}
    assert approved.last_approved(engagement).content["fields"]["values"] == {
        "Name of the User": "y"
    }


def test_a_retry_sends_what_was_approved_or_asks(active, sandbox, vera):
    """With the values as they are now: above the number they are approved first."""
    engagement = active(6, 5, trigger="schedule")
    working.once()
    approve(engagement, vera, 6)
    sandbox.faults([{"kind": "partial_errors", "indexes": None, "times": None}])
    working.to_the_end(engagement)
    sandbox.clear_faults()
    rejected = Delivery.objects.filter(state="rejected")
    assert rejected.count() == 6 and not invariants.received(sandbox)
    Engagement.objects.update(values={"Name of the User": "y"})
    [share] = retry_failed.shares(rejected)
    assert "not approved for more than 5" in share.problem
    assert retry_failed.retry(rejected).people == 0
    # Nor in portions: those of a run count together.
    ids = list(rejected.values_list("pk", flat=True))
    for portion, taken in ((ids[:3], 3), (ids[3:], 0), (ids[3:5], 2), (ids[5:], 0)):
        ticked = rejected.filter(pk__in=portion)
        assert bool(retry_failed.shares(ticked)[0].problem) is (taken == 0)
        assert retry_failed.retry(ticked).people == taken
    Engagement.objects.update(values=engagement.values)
    assert retry_failed.retry(rejected).people == 1
    working.to_the_end(engagement)
    assert invariants.received(sandbox) == {f"p{i}": 1 for i in range(6)}
