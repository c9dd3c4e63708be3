"""Who leaves the segment while they wait is skipped when the request is written."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from engagements.audience import expansion
from engagements.authoring.forms import EngagementForm
from engagements.delivery import loop, writing
from engagements.delivery.claims import claim
from engagements.lifecycle import transitions
from engagements.models import Batch, Delivery, Engagement, Run
from engagements.recovery import retry_failed
from engagements.reporting import reports
from segments.ingest import inbox
from segments.membership import refresh
from segments.models import Membership, Profile, Transition
from tests import factories
from tests.faults import invariants, working

pytestmark = pytest.mark.django_db

PRO = {"attribute": "plan", "is": "equals", "value": "pro"}


@pytest.fixture
def people():
    return [
        factories.make_profile(external_id=name, first_name=name, plan="pro")
        for name in ("ana", "bo", "cy")
    ]


@pytest.fixture
def active(braze, people):
    """An active engagement whose people wait in line."""

    def make(**fields) -> Engagement:
        segment = factories.make_segment(rule=PRO)
        version = factories.make_version(connection=braze)
        engagement = factories.make_engagement(segment, version, **fields)
        if engagement.trigger == "schedule":
            refresh.refresh(segment.pk)
        transitions.activate(engagement)
        refresh.refresh(segment.pk)
        while expansion.expand(expansion.expandable_runs()):
            pass
        return engagement

    return make


def change(person, plan) -> None:
    Profile.objects.filter(pk=person.pk).update(
        attributes={**person.attributes, "plan": plan}
    )
    refresh.evaluate([person.pk])


def states() -> dict[str | None, str]:
    rows = Delivery.objects.order_by("pk")
    return dict(rows.values_list("profile__external_id", "state"))


@pytest.fixture(params=["on_entry", "schedule"])
def trigger(request) -> str:
    return str(request.param)


def test_who_left_is_skipped_and_the_others_are_sent(active, people, sandbox, trigger):
    engagement = active(trigger=trigger)
    change(people[1], "free")
    loop.work()

    assert states() == {"ana": "sent", "bo": "skipped", "cy": "sent"}
    assert set(invariants.received(sandbox)) == {"ana", "cy"}
    skipped = Delivery.objects.get(state="skipped")
    assert skipped.reason == "left_segment: The person left the segment meanwhile."
    rows = {row.key: row for row in reports.engagement_report(engagement).rows}
    (part,) = rows["skipped"].parts
    assert (part.label, part.count) == ("Left the segment", 1)


def test_that_somebody_left_is_no_error_of_the_run(active, people):
    engagement = active(trigger="schedule")
    change(people[1], "free")
    loop.work()

    assert engagement.runs.get().state == Run.State.COMPLETED


def test_who_left_and_came_back_is_sent_once(active, people, trigger):
    active(trigger=trigger)
    for plan in ("free", "pro"):
        change(people[1], plan)
    loop.work()

    assert Delivery.objects.filter(state="sent").count() == 3
    assert Delivery.objects.count() == 3


def test_who_was_skipped_and_comes_back_is_sent(active, people):
    active()
    change(people[1], "free")
    loop.work()
    change(people[1], "pro")
    loop.work()

    found = Delivery.objects.filter(profile=people[1]).order_by("pk")
    assert [d.state for d in found] == ["skipped", "sent"]


def test_everybody_may_leave(active, people, sandbox, trigger):
    active(trigger=trigger)
    for person in people:
        change(person, "free")
    loop.work()

    assert set(states().values()) == {"skipped"}
    assert sandbox.requests() == []


def test_where_the_engagement_says_so_they_are_sent_all_the_same(
    active, people, trigger
):
    active(trigger=trigger, skips_who_left=False)
    change(people[1], "free")
    loop.work()

    assert set(states().values()) == {"sent"}


def test_a_change_of_the_rule_that_lets_them_go_counts(active, people, trigger):
    engagement = active(trigger=trigger)
    segment = engagement.segment
    segment.rule = {"all": [PRO, {"attribute": "first_name", "is": "equals", "value": "cy"}]}  # fmt: skip
    segment.save(update_fields=["rule"])
    refresh.refresh(segment.pk)
    loop.work()

    assert states() == {"ana": "skipped", "bo": "skipped", "cy": "sent"}


def test_it_is_looked_at_again_for_each_request(active, people, sandbox):
    """Also of a batch that is tried again."""
    engagement = active()
    sandbox.faults([{"kind": "status", "status": 500, "times": 1}])
    working.once()
    assert states() == {}
    change(people[1], "free")
    working.make_due(engagement)
    loop.work()

    assert states() == {"ana": "sent", "bo": "skipped", "cy": "sent"}


def test_a_retry_skips_who_left_since(active, people):
    engagement = active(values={})  # A required parameter has no value: all skipped.
    loop.work()
    assert set(states().values()) == {"skipped"}
    engagement.refresh_from_db()
    Engagement.objects.update(values={"Name of the User": "x"}, state="active")
    change(people[1], "free")
    failed = Delivery.objects.all()
    retry_failed.retry(failed)
    loop.work()

    last = Delivery.objects.filter(run__retry_of__isnull=False)
    assert dict(last.values_list("profile__external_id", "state")) == {
        "ana": "sent",
        "bo": "skipped",
        "cy": "sent",
    }


def change_segment(engagement, people) -> None:
    """As on its page once it has ended; these are in the other segment."""
    engagement.refresh_from_db()
    assert engagement.state == Engagement.State.ENDED
    other = factories.make_segment(people)
    shown = EngagementForm(instance=engagement)
    typed = {one.html_name: one.value() for one in shown if one.value() is not None}
    name = shown.parameter_inputs[0].field.html_name
    form = EngagementForm(
        {**typed, "segment": other.pk, name: "x"}, instance=engagement
    )
    assert form.is_valid(), form.errors
    form.save()


@pytest.mark.parametrize("skips", [True, False])
def test_a_retry_skips_who_is_not_in_the_segment_that_it_has_now(active, people, skips):
    """Nobody ever left the other segment: they were not in."""
    engagement = active(trigger="schedule", values={}, skips_who_left=skips)
    loop.work()
    assert set(states().values()) == {"skipped"}
    change_segment(engagement, people[:1])

    assert retry_failed.retry(Delivery.objects.all()).people == 3
    loop.work()

    last = Delivery.objects.filter(run__retry_of__isnull=False)
    others = "skipped" if skips else "sent"
    assert dict(last.values_list("profile__external_id", "state")) == {
        "ana": "sent",
        "bo": others,
        "cy": others,
    }
    engagement.refresh_from_db()
    assert engagement.state == Engagement.State.ENDED


def test_who_was_in_doubt_and_is_not_in_its_segment_now_stays_so(
    active, people, sandbox
):
    park = Engagement.AmbiguousPolicy.PARK
    engagement = active(trigger="schedule", ambiguous_policy=park)
    sandbox.faults([{"kind": "close_after", "times": 1}])
    loop.work()
    assert set(states().values()) == {"uncertain"}
    change_segment(engagement, people[:1])

    assert transitions.decide(Batch.objects.get(), "resend")
    loop.work()

    assert states() == {"ana": "sent", "bo": "uncertain", "cy": "uncertain"}


def test_who_was_erased_did_not_leave(active, people, trigger):
    active(trigger=trigger)
    change(people[1], "free")
    claims = claim(10)
    people[0].delete()
    (prepared,) = writing.write(claims)
    assert [skip.code for _, skip in sorted(prepared.skipped.items())] == [
        "erased",
        "left_segment",
    ]


def test_where_nobody_left_the_people_are_not_asked_for(active, people, trigger):
    active(trigger=trigger)
    Transition.objects.create(
        segment=factories.make_segment(0), profile=people[0], kind="exit"
    )
    claims = claim(10)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert len(list(writing.write(claims))) == 1
    table = Membership._meta.db_table
    assert not any(table in query["sql"] for query in queries)


def test_exits_from_before_do_not_make_it_ask(active, people):
    gone = factories.make_profile(plan="free")
    segment = factories.make_segment([gone], rule=PRO)
    refresh.evaluate([gone.pk])
    assert segment.transitions.filter(kind="exit").exists()
    version = factories.make_version()
    engagement = factories.make_engagement(segment, version, trigger="schedule")
    run = factories.make_run(engagement)
    engagement.move(["draft"], "active")
    expansion.expand([run.pk])

    run.refresh_from_db()
    assert run.exits_before == segment.transitions.get(kind="exit").pk


def test_the_form_says_it_and_keeps_it():
    def form(**fields):
        return EngagementForm(
            {
                "name": f"Form {len(fields)}",
                "segment": factories.make_segment().pk,
                "version": factories.make_version({"attributes": []}, ()).pk,
                "trigger": "on_entry",
                "repeat": "once",
                "time_zone": "UTC",
                "ambiguous_policy": "park",
                **fields,
            }
        )

    assert "checked" in str(EngagementForm()["skips_who_left"]), "a new one's page"
    assert form().save().skips_who_left is True
    saved = form(skips_who_left="False").save()
    assert saved.skips_who_left is False
    assert EngagementForm(instance=saved)["skips_who_left"].value() is False
    assert "checked" in str(EngagementForm(instance=saved)["skips_who_left"])


# --- Who becomes part of another ------------------------------------------------------


@pytest.fixture(params=[True, False], ids=["skips who left", "sends all the same"])
def skips(request) -> bool:
    return bool(request.param)


def become_one(source, user) -> None:
    payload = {"timestamp": "2026-01-31T12:00:00+00:00", "traits": {}}
    message = payload | {"userId": user, "anonymousId": "d1"}
    inbox.append(source, [("joins", "identify", message)])
    inbox.apply()


@pytest.fixture
def visitor(people):
    """Somebody who is not known yet, and takes part; returns the source they came by."""
    source = factories.make_source()
    payload = {"timestamp": "2026-01-31T11:00:00+00:00", "anonymousId": "d1"}
    payload["traits"] = {"plan": "pro", "first_name": "visitor"}
    inbox.append(source, [("visits", "identify", payload)])
    inbox.apply()
    return source


def test_who_waits_is_sent_as_whom_they_turn_out_to_be(
    active, people, visitor, sandbox, trigger, skips
):
    Profile.objects.filter(pk=people[0].pk).update(attributes={"plan": "free"})
    active(trigger=trigger, skips_who_left=skips)
    assert Membership.objects.count() == 3
    become_one(visitor, "ana")
    loop.work()
    assert invariants.received(sandbox) == {"ana": 1, "bo": 1, "cy": 1}


def test_who_waits_and_turns_out_to_wait_already_is_sent_once(
    active, people, visitor, sandbox, trigger, skips
):
    active(trigger=trigger, skips_who_left=skips)
    assert Membership.objects.count() == 4
    become_one(visitor, "ana")
    assert Membership.objects.count() == 3
    loop.work()
    assert invariants.received(sandbox) == {"ana": 1, "bo": 1, "cy": 1}
