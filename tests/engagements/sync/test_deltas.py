"""Deltas: only attributes that changed, and a null where a value went away."""

import pytest

from engagements.delivery import loop
from engagements.models import Accepted, Batch, Engagement
from engagements.sync import state
from externalapi.models import Connection
from lemnisk_braze.lib import database_clock
from tests import factories
from tests.engagements.sync.conftest import (
    attributes_version,
    begin,
    bodies,
    change,
    person,
    requests,
    run_once,
)

pytestmark = pytest.mark.django_db(transaction=True)


def test_only_what_changed_goes_with_the_identifier(syncing, sandbox):
    ana = person("ana", plan="pro", city="Bonn")
    engagement = syncing(sends_deltas=True)
    run_once(engagement)
    change(ana, plan="free")
    run_once(engagement)

    assert bodies(sandbox) == [
        {"external_id": "ana", "plan": "pro", "city": "Bonn"},
        {"external_id": "ana", "plan": "free"},
    ]


def test_who_has_nothing_changed_is_skipped(syncing, sandbox):
    person("ana", plan="pro")
    engagement = syncing(sends_deltas=True)
    run_once(engagement)

    assert run_once(engagement) == {"ana": "unchanged"}
    assert len(sandbox.requests()) == 1


def test_a_value_that_went_away_is_cleared_once(syncing, sandbox):
    ana = person("ana", plan="pro", city="Bonn")
    engagement = syncing(sends_deltas=True)
    run_once(engagement)
    change(ana, city=None)

    assert run_once(engagement) == {"ana": "sent"}
    assert bodies(sandbox)[-1] == {"external_id": "ana", "city": None}
    assert run_once(engagement) == {"ana": "unchanged"}
    assert "city" not in sandbox.user("ana")["custom_attributes"]


def test_nobody_gets_a_null_for_what_they_never_had(syncing, sandbox):
    person("ana", plan="pro")
    engagement = syncing(sends_deltas=True)
    run_once(engagement)

    assert bodies(sandbox) == [{"external_id": "ana", "plan": "pro"}]


def test_after_a_lost_answer_all_of_it_is_sent_again(syncing, sandbox, settings):
    settings.HTTP_TOTAL_SECONDS = 1
    ana = person("ana", plan="pro", city="Bonn")
    engagement = syncing(sends_deltas=True, ambiguous_policy="park")
    sandbox.faults([{"kind": "delay_after", "seconds": 3, "times": 1}])
    assert run_once(engagement) == {"ana": "uncertain"}
    # Braze has the city, and nobody knows it.
    change(ana, city=None)

    assert run_once(engagement) == {"ana": "sent"}
    assert bodies(sandbox)[-1] == {"external_id": "ana", "plan": "pro", "city": None}


def test_another_identifier_is_somebody_else_for_braze(syncing, sandbox):
    ana = person("ana", plan="pro", city="Bonn")
    engagement = syncing(sends_deltas=True)
    run_once(engagement)
    type(ana).objects.filter(pk=ana.pk).update(external_id="ana2")

    run_once(engagement)
    assert bodies(sandbox)[-1] == {
        "external_id": "ana2",
        "plan": "pro",
        "city": "Bonn",
    }


def test_events_go_each_time_and_attributes_by_what_changed(syncing, sandbox):
    body = {
        "attributes": [{"external_id": "{{ID}}", "plan": "{{plan}}"}],
        "events": [
            {"external_id": "{{ID}}", "name": "Seen", "time": "2026-01-01T00:00:00Z"}
        ],
    }
    version = attributes_version(Connection.objects.get(), ("plan",), body=body)
    person("ana", plan="pro")
    engagement = syncing(("plan",), version=version, sends_deltas=True)

    assert [run_once(engagement) for _ in range(2)] == [{"ana": "sent"}] * 2
    assert [len(r.get("attributes", [])) for r in requests(sandbox)] == [1, 0]
    assert [len(r["events"]) for r in requests(sandbox)] == [1, 1]


def test_an_operator_is_no_value_and_goes_each_time(syncing, sandbox):
    body = {
        "attributes": [
            {
                "external_id": "{{ID}}",
                "plan": "{{plan}}",
                "visits": {"inc": 1},
                "_update_existing_only": False,
            }
        ]
    }
    version = attributes_version(Connection.objects.get(), ("plan",), body=body)
    person("ana", plan="pro")
    engagement = syncing(("plan",), version=version, sends_deltas=True)
    run_once(engagement)
    run_once(engagement)

    assert bodies(sandbox)[-1] == {
        "external_id": "ana",
        "visits": {"inc": 1},
        "_update_existing_only": False,
    }


@pytest.fixture
def points_version():
    """Whose points are a number, or say how to change it."""

    def make(points: object = "{{points}}"):
        body = {"attributes": [{"external_id": "{{ID}}", "points": points}]}
        return factories.make_version(
            connection=Connection.objects.get(),
            body=body,
            parameters=[
                factories.parameter("ID", level="identifier"),
                factories.parameter("points", type="any", required=False),
            ],
        )

    return make


@pytest.mark.parametrize("before", [[], [5]])
def test_what_was_last_sent_as_an_operation_is_not_cleared_where_it_is_absent(
    syncing, sandbox, points_version, before
):
    """To add nothing is not that the value went away: Braze has what was added to."""
    ana = person("ana")
    engagement = syncing(("points",), version=points_version(), sends_deltas=True)
    for points in (*before, {"inc": 2}):
        change(ana, points=points)
        run_once(engagement)
    was = sandbox.user("ana")["custom_attributes"]["points"]
    assert was == sum(before) + 2
    change(ana, points=None)
    run_once(engagement)
    state.resync(engagement)
    run_once(engagement)
    assert all(body.get("points", was) is not None for body in bodies(sandbox))
    assert sandbox.user("ana")["custom_attributes"]["points"] == was
    # A value that is one again is cleared when it goes away.
    change(ana, points=7)
    run_once(engagement)
    change(ana, points=None)
    run_once(engagement)
    assert "points" not in sandbox.user("ana")["custom_attributes"]


def test_nor_after_a_lost_answer(syncing, sandbox, points_version, settings):
    settings.HTTP_TOTAL_SECONDS = 1
    ana = person("ana", points=2)
    version = points_version({"inc": "{{points}}"})
    engagement = syncing(
        ("points",), version=version, sends_deltas=True, ambiguous_policy="park"
    )
    sandbox.faults([{"kind": "delay_after", "seconds": 3, "times": 1}])
    assert run_once(engagement) == {"ana": "uncertain"}
    change(ana, points=None)
    run_once(engagement)
    assert sandbox.user("ana")["custom_attributes"]["points"] == 2


@pytest.mark.parametrize("sends_deltas", [True, False])
def test_who_leaves_is_cleared_of_what_was_added_to_as_well(
    syncing, sandbox, points_version, sends_deltas
):
    ana = person("ana", points={"inc": 2})
    engagement = syncing(
        ("points",),
        version=points_version(),
        sends_deltas=sends_deltas,
        clears_who_left=True,
    )
    run_once(engagement)
    change(ana, points=None)
    run_once(engagement)
    change(ana, vip=None)
    run_once(engagement)
    assert "points" not in sandbox.user("ana")["custom_attributes"]


def test_data_points_are_counted_and_what_is_saved(syncing, sandbox):
    ana = person("ana", plan="pro", city="Bonn")
    person("bo", plan="pro", city="Bonn")
    engagement = syncing(sends_deltas=True)
    run_once(engagement)
    change(ana, plan="free")
    run_once(engagement)

    rows = Batch.objects.order_by("pk").values_list("data_points", "data_points_saved")
    assert list(rows) == [(4, 0), (1, 3)]


def test_a_new_version_sends_what_reads_differently(syncing, sandbox):
    person("ana", plan="pro", city="Bonn")
    engagement = syncing(sends_deltas=True)
    run_once(engagement)
    body = {
        "attributes": [
            {"external_id": "{{ID}}", "tariff": "{{plan}}", "city": "{{city}}"}
        ]
    }
    engagement.version = attributes_version(Connection.objects.get(), body=body)
    engagement.save()

    run_once(engagement)
    # What is not in the body any more is left alone.
    assert bodies(sandbox)[-1] == {"external_id": "ana", "tariff": "pro"}


def test_deltas_that_are_switched_on_later_learn_the_names_first(syncing, sandbox):
    ana = person("ana", plan="pro", city="Bonn")
    engagement = syncing(sync_mode="changed")
    run_once(engagement)
    Engagement.objects.update(sends_deltas=True, updated_at=database_clock.now())

    assert run_once(engagement) == {"ana": "sent"}
    change(ana, city=None)
    run_once(engagement)
    assert bodies(sandbox)[-1] == {"external_id": "ana", "city": None}


def test_halves_of_a_refused_batch_keep_what_each_was_accepted_with(syncing, sandbox):
    people = [person(name, plan="pro") for name in ("ana", "bo", "cy", "di")]
    engagement = syncing(sends_deltas=True)
    sandbox.faults([{"kind": "status", "status": 400, "times": 1}])

    assert set(run_once(engagement).values()) == {"sent"}
    change(people[0], plan="free")
    assert run_once(engagement) == {
        "ana": "sent",
        "bo": "unchanged",
        "cy": "unchanged",
        "di": "unchanged",
    }


def test_many_people_and_columns(syncing, sandbox):
    people = [person(f"p{n}", plan=f"plan {n}", city="Bonn") for n in range(160)]
    engagement = syncing(sends_deltas=True)
    run_once(engagement)
    for one in people[::40]:
        change(one, plan="new")
    states = run_once(engagement)

    assert sorted(n for n, s in states.items() if s == "sent") == [
        "p0",
        "p120",
        "p40",
        "p80",
    ]
    assert bodies(sandbox)[160:] == [
        {"external_id": name, "plan": "new"} for name in ("p0", "p40", "p80", "p120")
    ]


def test_whoever_is_erased_leaves_no_state(syncing, sandbox):
    ana = person("ana", plan="pro")
    engagement = syncing(sends_deltas=True)
    run_once(engagement)
    assert Accepted.objects.filter(profile=ana).exists()

    ana.delete()

    assert not Accepted.objects.exists()


def test_few_of_many_batches_go_in_one_request_of_their_own(syncing, sandbox):
    people = [person(f"p{n}", plan="pro", city="Bonn") for n in range(160)]
    engagement = syncing(sends_deltas=True)
    run_once(engagement)
    changed = people[::20]
    for one in changed:
        change(one, plan="free")
    before = len(sandbox.requests())

    ends = run_once(engagement)
    assert len(sandbox.requests()) == before + 1
    assert {one.external_id for one in changed} == {
        name for name, state in ends.items() if state == "sent"
    }
    assert set(ends.values()) == {"sent", "unchanged"}
    run = engagement.runs.latest("pk")
    sent = run.deliveries.filter(state="sent").select_related("batch")
    # Each is in the batch of the request that they were in.
    assert {one.batch for one in sent} == {Batch.objects.get(run=run, sent_count__gt=0)}
    assert all(one.batch.place_of(one) is not None for one in sent)
    assert sum(batch.sent_count for batch in run.batches.all()) == len(changed)


def test_help_is_called_where_nobody_has_anything_new(syncing, sandbox):
    ana = person("ana", plan="pro")
    engagement = syncing(sends_deltas=True)
    run_once(engagement)
    run = begin(engagement)
    for n in range(loop.CLAIM_SIZE):
        factories.make_batch(run, [ana], sequence=1_000 + n)
    calls: list[int] = []
    loop.work(call_for_help=lambda: calls.append(1))

    assert calls == [1]
    assert len(sandbox.requests()) == 1
