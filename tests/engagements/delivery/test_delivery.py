"""The engine against the real sandbox: who got what, and what the rows say."""

from collections import Counter
from datetime import timedelta

import pytest
from celery import current_app
from django.urls import reverse
from django.utils import timezone

from engagements.audience import expansion
from engagements.authoring import forecast
from engagements.authoring.preview import what_was_sent
from engagements.delivery import loop
from engagements.lifecycle import transitions
from engagements.models import Attempt, Batch, Delivery, Engagement, Run
from engagements.reporting import reports
from externalapi.connections import encryption
from externalapi.vendors.catalog import PRESETS
from segments.models import Transition
from tests import factories
from tests.faults import working

pytestmark = pytest.mark.django_db

Policy = Engagement.AmbiguousPolicy


@pytest.fixture
def active(braze):
    """Make an active engagement, due at once, for people or a number of them."""

    def make(people=3, **fields) -> Engagement:
        segment = factories.make_segment(people)
        fields.setdefault("trigger", Engagement.Trigger.SCHEDULE)
        version = fields.pop("version", None) or factories.make_version(
            connection=braze
        )
        engagement = factories.make_engagement(segment, version, **fields)
        transitions.activate(engagement)
        return engagement

    return make


@pytest.mark.parametrize("name", ["work", "drain"])
def test_a_wake_up_is_understood_by_its_name_of_now_and_of_0_1_0(active, sandbox, name):
    engagement = active()
    current_app.loader.import_default_modules()
    current_app.tasks[f"engagements.tasks.{name}"]()
    assert Delivery.objects.filter(run__engagement=engagement).count() == 3
    assert len(sandbox.requests()) == 1


@pytest.mark.parametrize(
    ("subject", "requests"),
    [
        ("Spring in {{ segment.name }}", 1),
        # Left to its default.
        ("", 1),
        ("Spring, {{ profile.first_name }}", 3),
        ("Spring {{ engagement.delivery_id }}", 3),
    ],
)
def test_people_go_together_where_the_request_is_the_same_for_all(
    active, sandbox, braze, subject, requests
):
    preset = PRESETS["braze_send_messages"]
    version = factories.make_version(
        preset.body,
        [
            {
                **p.to_dict(),
                "value": p.example if p.level == "fixed" else "",
                "default": "Spring!" if p.name == "Subject" else p.default,
            }
            for p in preset.parameters
        ],
        connection=braze,
        path=preset.path,
        answer_rules=preset.rules.to_dict(),
        **preset.plan.fields(),
    )
    people = [factories.make_profile(first_name=name) for name in ("Ana", "Bo", "Cy")]
    values = {"HTML": "<p>Hello!</p>", **({"Subject": subject} if subject else {})}
    sandbox.track({"attributes": [{"external_id": p.external_id} for p in people]})
    before = len(sandbox.requests())

    engagement = active(people, version=version, values=values)
    assert forecast.activation_impact(engagement).requests == requests
    loop.work()

    assert states(engagement) == {"sent": 3}
    assert len(sandbox.requests()) - before == requests


def states(engagement: Engagement) -> dict[str, int]:
    """How many people are in each state; who waits is "pending"."""
    report = reports.engagement_report(engagement)
    return {row.key: row.count for row in report.rows}


def make_due(engagement: Engagement) -> None:
    """Bring the future here: what waits to be tried again is due now."""
    Batch.objects.filter(run__engagement=engagement, state__in=Batch.DUE).update(
        next_attempt_at=timezone.now() - timedelta(seconds=1)
    )


def test_each_person_gets_their_own_payload(active, sandbox):
    engagement = active(
        [
            factories.make_profile(external_id="ana", first_name="Ana", plan="gold"),
            factories.make_profile(external_id="bo", first_name="Bo"),
        ],
        values={
            "Name of the User": "{{ profile.first_name | upcase }}",
            "Plan": "{{ profile.plan }}",
        },
    )

    assert loop.work() is False

    ana, bo = sandbox.user("ana"), sandbox.user("bo")
    assert (ana["first_name"], ana["custom_attributes"]["plan"]) == ("ANA", "gold")
    # Bo has no plan: the parameter's default.
    assert (bo["first_name"], bo["custom_attributes"]["plan"]) == ("BO", "free")
    assert states(engagement) == {"sent": 2}
    engagement.refresh_from_db()
    assert engagement.state == Engagement.State.ENDED
    assert engagement.runs.get().state == Run.State.COMPLETED


def test_five_thousand_people_go_in_67_requests(active, sandbox):
    engagement = active(5_000)

    loop.work()

    requests = sandbox.requests()
    assert len(requests) == 67  # 66 of 75 and one of 50
    assert Counter(request["objects"] for request in requests) == {75: 66, 50: 1}
    assert sandbox.summary()["users"] == 5_000
    got = Counter(
        person
        for request in requests
        for person in request["external_ids"]["attributes"]
    )
    assert len(got) == 5_000
    assert set(got.values()) == {1}
    assert states(engagement) == {"sent": 5_000}
    assert Attempt.objects.count() == 67


@pytest.mark.parametrize(
    ("moment", "ends_as"), [("created_at", "sent"), ("written_at", "dead")]
)
def test_time_is_used_up_from_the_first_attempt_on(active, sandbox, moment, ends_as):
    """Not while somebody waits for nine o'clock where they are, or for their turn."""
    engagement = active(2)
    while expansion.expand(expansion.expandable_runs()):
        pass
    Batch.objects.update(**{moment: working.ago(hours=25)})
    sandbox.faults([{"kind": "status", "status": 503, "times": 1}])

    working.to_the_end(engagement)
    assert states(engagement) == {ends_as: 2}


def test_an_entry_is_sent_and_the_people_from_before_are_not(active, sandbox):
    engagement = active(2, trigger=Engagement.Trigger.ON_ENTRY)
    loop.work()
    assert sandbox.requests() == []

    newcomer = factories.make_profile(external_id="new", first_name="Nia")
    factories.enter(engagement.segment, newcomer)
    loop.work()
    loop.work()

    assert sandbox.user("new")["first_name"] == "Nia"
    assert states(engagement) == {"sent": 1}
    engagement.refresh_from_db()
    assert engagement.state == Engagement.State.ACTIVE


def test_who_came_in_after_somebody_left_is_from_before_too(braze, sandbox):
    """The log's last line of any kind is where it begins."""
    segment = factories.make_segment(1)
    segment.transitions.create(
        profile=factories.make_profile(), kind=Transition.Kind.EXIT
    )
    factories.enter(segment, factories.make_profile(first_name="Ann"))
    version = factories.make_version(connection=braze)
    transitions.activate(factories.make_engagement(segment, version))
    loop.work()
    assert sandbox.requests() == []


@pytest.mark.parametrize("trigger", ["on_entry", "each_event", "on_exit"])
def test_lines_of_another_kind_are_nothing_to_take_in(active, trigger):
    """Else each worker would look for them all the time."""
    engagement = active(1, trigger=trigger)
    kind = "entry" if trigger == "on_exit" else "exit"
    person = engagement.segment.memberships.get().profile
    engagement.segment.transitions.create(profile=person, kind=kind)
    assert expansion.expandable_runs() == []


def test_the_people_from_before_can_be_included(active, sandbox):
    engagement = active(2, trigger=Engagement.Trigger.ON_ENTRY, includes_present=True)
    factories.enter(engagement.segment, factories.make_profile(first_name="Nia"))
    loop.work()
    assert sandbox.summary()["users"] == 3
    assert states(engagement) == {"sent": 3}


def test_the_event_that_brought_a_person_in_can_be_used(active, sandbox):
    engagement = active(
        0,
        trigger=Engagement.Trigger.ON_ENTRY,
        values={
            "Name of the User": "{{ profile.first_name }}",
            "Plan": "{{ event.properties.plan }}",
        },
    )
    ana = factories.make_profile(external_id="ana", first_name="Ana")
    event = factories.make_event(ana, plan="platinum")
    factories.enter(engagement.segment, ana, event)

    loop.work()

    assert sandbox.user("ana")["custom_attributes"]["plan"] == "platinum"


def test_who_has_no_payload_is_skipped_and_told_why(active, sandbox):
    engagement = active(
        [
            factories.make_profile(external_id="ana", first_name="Ana"),
            factories.make_profile(external_id="nameless"),
            factories.make_profile(external_id=None, first_name="Anonymous"),
        ]
    )

    loop.work()

    assert states(engagement) == {"sent": 1, "skipped": 2}
    skipped = Delivery.objects.filter(state="skipped").order_by("profile_id")
    reasons = [d.reason for d in skipped]
    assert "Name of the User" in reasons[0]
    assert reasons[0].startswith("missing_parameter")
    assert reasons[1].startswith("no_identifier")
    assert engagement.runs.get().state == Run.State.COMPLETED_WITH_ERRORS
    assert sandbox.summary()["users"] == 1


def test_what_an_optional_parameter_cannot_take_is_left_out_and_told(
    active, sandbox, braze, admin_page
):
    version = factories.make_version(
        {"attributes": [{"external_id": "{{ID}}", "age": "{{Age}}", "b": "{{B}}"}]},
        [
            factories.parameter("ID", level="identifier"),
            factories.parameter("Age", type="integer", required=False),
            factories.parameter("B", type="boolean", required=False),
        ],
        connection=braze,
    )
    engagement = active(
        [
            factories.make_profile(external_id="ana", age=36, b=True),
            factories.make_profile(external_id="bo", age="old", b="perhaps"),
            factories.make_profile(external_id="cy", b=False),
        ],
        version=version,
        values={"Age": "{{ profile.age | plus: 1 }}", "B": "{{ profile.b }}"},
    )

    loop.work()

    assert states(engagement) == {"sent": 3}
    attributes = [sandbox.user(id)["custom_attributes"] for id in ("ana", "bo", "cy")]
    assert attributes == [{"age": 37, "b": True}, {}, {"b": False}]
    reasons = Delivery.objects.order_by("profile_id").values_list("reason", flat=True)
    assert list(reasons) == [
        "",
        "“Age” is left out: “plus”: “old” is not a number. "
        "“B” is left out: “perhaps” is not true or false.",
        "",
    ]
    bo = Delivery.objects.exclude(reason="").get()
    url = reverse("admin:engagements_delivery_change", args=[bo.pk])
    page = admin_page.get(url).content.decode()
    assert page.count("“Age” is left out") == 2  # the delivery, and what was sent


@pytest.mark.parametrize(
    ("where", "usual", "odd", "named"),
    [
        ({"query": [["q", "{{A}}"]]}, ["x", "y"], ["x" * 3_000, "y"], "A"),
        ({"query": [["q", "{{A}}-{{B}}"]]}, ["x", "y"], ["x", "ü" * 400], "B"),
        ({"query": [["q", "{{A}}"]]}, ["x", "y"], [["tag"] * 900, "y"], "A"),
        ({"headers": {"X-A": "{{A}}{{B}}"}}, ["x", "y"], ["x", "y" * 8_200], "B"),
        ({"headers": {"X-A": "{{A}}{{B}}"}}, ["x", "y"], ["ü", "y"], "A"),
        ({"headers": {"X-A": "{{A}}{{B}}"}}, ["x", "y"], ["x", "y\nz: 1"], "B"),
        ({"path": "/users/{{A}}{{B}}"}, ["tr", "ack"], [".", "."], "B"),
        ({"path": "/users/.{{A}}/../{{B}}"}, None, [".", "x"], "B"),
        ({"path": "/{{A}}/track"}, ["users", ""], ["..", ""], "A"),
        ({"path": "/{{A}}/track"}, ["users", ""], ["u" * 2_100, ""], "A"),
    ],
    ids=repr,
)
def test_a_person_s_value_that_cannot_go_there_keeps_only_them_back(
    active, sandbox, braze, where, usual, odd, named
):
    types = {"A": "list" if isinstance(odd[0], list) else "text", "B": "text"}
    version = factories.make_version(
        {"attributes": [{"external_id": "{{ID}}", "city": "{{C}}"}]},
        [
            factories.parameter("ID", level="identifier"),
            factories.parameter("C", default="Pune"),
            *(
                factories.parameter(name, type=types[name], required=False)
                for name in types
            ),
        ],
        connection=braze,
        batching="one",
        **where,
    )
    rows = [usual, odd, usual] if usual else [odd]
    if types["A"] == "list":
        rows = [[["tag"], "y"], odd, [["tag"], "y"]]
    people = [
        factories.make_profile(external_id=f"p{n}", a=a, b=b)
        for n, (a, b) in enumerate(rows)
    ]
    values = {"A": "{{ profile.a }}", "B": "{{ profile.b }}"}
    engagement = active(people, version=version, values=values)

    loop.work()

    skipped = Delivery.objects.get(state="skipped")
    assert skipped.profile == people[1 if usual else 0]
    assert f"“{named}”" in skipped.reason
    assert states(engagement) == (
        {"sent": 2, "skipped": 1} if usual else {"skipped": 1}
    )
    engagement.refresh_from_db()
    assert engagement.state == Engagement.State.ENDED
    assert not engagement.blocked_reason
    shown = what_was_sent(skipped)
    assert f"“{named}”" in shown.problems[""]


def test_what_braze_rejects_is_mapped_back_to_the_person(active, sandbox, braze):
    version = factories.make_version(
        body={"attributes": [{"external_id": "{{ID}}", "email": "{{Email}}"}]},
        parameters=[
            factories.parameter("ID", level="identifier"),
            factories.parameter("Email"),
        ],
        connection=braze,
    )
    people = [
        factories.make_profile(external_id=f"p{n}", email=email)
        for n, email in enumerate(["a@example.com", "not-an-email", "c@example.com"])
    ]
    engagement = active(people, version=version, values={"Email": "{{profile.email}}"})

    loop.work()

    rejected = Delivery.objects.get(state="rejected")
    assert rejected.profile == people[1]
    assert "email" in rejected.reason
    assert states(engagement) == {"sent": 2, "rejected": 1}
    assert sandbox.user("p1") is None


@pytest.mark.parametrize("status", [500, 503])
def test_a_server_error_is_tried_again(active, sandbox, status):
    engagement = active(2)
    sandbox.faults([{"kind": "status", "status": status}])

    loop.work(timedelta(seconds=1))

    batch = Batch.objects.get()
    assert batch.state == Batch.State.RETRY
    assert batch.next_attempt_at > timezone.now()
    assert states(engagement) == {"pending": 2}

    make_due(engagement)
    loop.work()
    assert states(engagement) == {"sent": 2}
    outcomes = Attempt.objects.order_by("started_at").values_list("outcome", "status")
    assert list(outcomes) == [("not_sent", status), ("sent", 201)]


def test_a_rate_limit_closes_the_connection_and_uses_no_attempt(active, sandbox):
    engagement = active(2)
    sandbox.faults(
        [{"kind": "status", "status": 429, "headers": {"Retry-After": "600"}}]
    )

    loop.work()

    batch = Batch.objects.get()
    assert (batch.state, batch.attempt_count) == (Batch.State.PENDING, 0)
    make_due(engagement)
    loop.work()  # due, but the connection is closed for ten minutes
    assert len(sandbox.requests()) == 1


def test_a_wrong_key_stops_the_engagement_until_it_is_mended(active, sandbox, braze):
    encryption.set_key(braze, "wrong-key-0123456789")
    engagement = active(2)

    loop.work()

    engagement.refresh_from_db()
    assert engagement.state == Engagement.State.BLOCKED
    assert "wrong-key-0123456789" not in engagement.blocked_reason
    attempt = Attempt.objects.get()
    assert "wrong-key-0123456789" not in attempt.response_head + attempt.message
    assert Batch.objects.get().attempt_count == 0

    encryption.set_key(braze, sandbox.key)
    assert transitions.resume(engagement)
    loop.work()
    assert states(engagement) == {"sent": 2}


def test_an_unreachable_host_is_tried_again_and_named(active, sandbox, settings):
    settings.ALLOWED_LOCAL_ADDRESSES = [
        *settings.ALLOWED_LOCAL_ADDRESSES,
        "127.0.0.1:9",
    ]
    connection = factories.make_connection(base_url="http://127.0.0.1:9")
    encryption.set_key(connection, "any-key-0123456789")
    active(1, version=factories.make_version(connection=connection))

    loop.work(timedelta(seconds=1))

    attempt = Attempt.objects.get()
    assert attempt.outcome == Attempt.Outcome.NOT_SENT
    assert "cannot be reached" in attempt.message
    assert Batch.objects.get().state == Batch.State.RETRY


@pytest.mark.parametrize(
    ("policy", "batch_state", "delivery_state"),
    [
        (Policy.PARK, Batch.State.UNCERTAIN, "uncertain"),
        (Policy.RESEND, Batch.State.RETRY, "pending"),
    ],
)
def test_a_lost_answer_is_ambiguous_and_the_policy_decides(
    active, sandbox, policy, batch_state, delivery_state
):
    engagement = active(2, ambiguous_policy=policy)
    sandbox.faults([{"kind": "reset_after"}])

    loop.work(timedelta(seconds=1))

    assert Attempt.objects.get().outcome == Attempt.Outcome.AMBIGUOUS
    batch = Batch.objects.get()
    assert (batch.state, batch.ambiguous_count) == (batch_state, 1)
    assert states(engagement) == {delivery_state: 2}


@pytest.mark.parametrize(("decision", "requests"), [("resend", 2), ("mark_sent", 1)])
def test_a_person_settles_what_is_uncertain(active, sandbox, decision, requests):
    engagement = active(2, ambiguous_policy=Policy.PARK)
    sandbox.faults([{"kind": "reset_after"}])
    loop.work()
    assert engagement.runs.get().state == Run.State.COMPLETED_WITH_ERRORS

    assert transitions.decide(Batch.objects.get(), decision)
    loop.work()

    assert states(engagement) == {"sent": 2}
    assert len(sandbox.requests()) == requests
    assert transitions.decide(Batch.objects.get(), decision) is False


def test_a_batch_that_is_refused_without_a_name_is_halved(active, sandbox):
    people = [
        factories.make_profile(external_id=f"p{n}", first_name="Ann") for n in range(75)
    ]
    engagement = active(people)
    sandbox.faults(
        [
            {
                "kind": "status",
                "status": 400,
                "body": '{"message": "Something is wrong"}',
                "external_id": "p40",
                "times": None,
            }
        ]
    )

    loop.work()

    assert states(engagement) == {"sent": 74, "dead": 1}
    dead = Delivery.objects.get(state="dead")
    assert dead.profile.external_id == "p40"
    assert "Something is wrong" in dead.reason
    assert len(sandbox.requests()) <= 15
    assert sandbox.summary()["users"] == 74


def test_an_answer_that_cannot_be_read_is_never_sent_again(active, sandbox):
    engagement = active(2)
    sandbox.faults([{"kind": "malformed_json"}])
    loop.work()
    loop.work()
    assert states(engagement) == {"accepted_unverified": 2}
    assert len(sandbox.requests()) == 1


def test_a_paused_engagement_sends_nothing_and_resumes_where_it_was(active, sandbox):
    engagement = active(2)
    assert transitions.pause(engagement)
    assert transitions.pause(engagement) is False

    loop.work()
    assert sandbox.requests() == []

    assert transitions.resume(engagement)
    loop.work()
    assert states(engagement) == {"sent": 2}


def test_entries_made_during_a_pause_follow_after_it(active, sandbox):
    engagement = active(0, trigger=Engagement.Trigger.ON_ENTRY)
    transitions.pause(engagement)
    factories.enter(engagement.segment, factories.make_profile(first_name="Nia"))
    engagement.values = {"Name of the User": "changed"}
    engagement.save()

    transitions.resume(engagement)
    loop.work()

    assert states(engagement) == {"sent": 1}
    run = Run.objects.get(engagement=engagement, is_standing=True)
    assert run.values == {"Name of the User": "changed"}


def test_ending_cancels_what_was_not_sent(active, sandbox):
    engagement = active(2)
    sandbox.faults([{"kind": "status", "status": 500}])
    loop.work(timedelta(seconds=1))

    assert transitions.end(engagement)
    make_due(engagement)
    loop.work()

    assert states(engagement) == {"cancelled": 2}
    assert len(sandbox.requests()) == 1
    assert engagement.runs.get().state == Run.State.CANCELLED


def test_a_run_keeps_the_version_that_it_began_with(active, sandbox, braze):
    engagement = active(1)
    sandbox.faults([{"kind": "status", "status": 500}])
    loop.work(timedelta(seconds=1))
    factories.make_version(
        body={"attributes": [{"external_id": "other"}]},
        external_api=engagement.version.external_api,
        connection=braze,
    )

    make_due(engagement)
    loop.work()

    assert sandbox.user("other") is None
    assert states(engagement) == {"sent": 1}


def test_a_small_run_is_not_stuck_behind_a_large_one(active, sandbox):
    large = active(3_000)
    small = active([factories.make_profile(external_id="small", first_name="Sol")])

    loop.work()

    requests = [r["external_ids"]["attributes"] for r in sandbox.requests()]
    assert ["small"] in requests[: 2 * loop.CLAIM_SIZE]
    assert (states(large), states(small)) == ({"sent": 3_000}, {"sent": 1})


def test_the_rate_plan_is_kept(active, sandbox, braze):
    braze.requests_per_burst, braze.burst_seconds = 2, 1
    braze.save()
    version = factories.make_version(connection=braze, batching="one")
    engagement = active(5, version=version)

    loop.work()

    assert states(engagement) == {"sent": 5}
    arrivals = [request["at"] for request in sandbox.requests()]
    windows = Counter(int(at - arrivals[0]) for at in arrivals)
    assert len(windows) >= 3
    assert max(windows.values()) <= 2
