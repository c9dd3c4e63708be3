"""Who left since: the attributes that the engagement wrote are cleared, once."""

from datetime import timedelta

import pytest

from engagements.audience import expansion
from engagements.models import (
    Accepted,
    Engagement,
    FrequencyCap,
    SentLately,
    Suppression,
    channel_number,
)
from externalapi.models import Connection
from lemnisk_braze.lib import database_clock
from segments.models import Profile
from tests import factories
from tests.engagements.sync.conftest import (
    attributes_version,
    begin,
    bodies,
    change,
    ends,
    person,
    run_once,
)
from tests.faults import working

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(params=[True, False], ids=["deltas", "whole"])
def clearing(request, syncing) -> Engagement:
    person("ana", plan="pro", city="Bonn")
    person("bo", plan="pro")
    engagement: Engagement = syncing(clears_who_left=True, sends_deltas=request.param)
    run_once(engagement)
    return engagement


def who(name: str) -> Profile:
    return Profile.objects.get(external_id=name)


def test_who_left_is_cleared_of_what_was_written_and_once(clearing, sandbox):
    change(who("ana"), vip="no")

    assert run_once(clearing)["ana"] == "sent"
    nulls = [one for one in bodies(sandbox) if None in one.values()]
    assert nulls == [{"external_id": "ana", "plan": None, "city": None}]
    assert sandbox.user("ana")["custom_attributes"] == {}
    assert "ana" not in run_once(clearing)


def test_what_was_never_written_is_not_cleared(clearing, sandbox):
    change(who("bo"), vip="no")
    run_once(clearing)

    nulls = [one for one in bodies(sandbox) if None in one.values()]
    assert nulls == [{"external_id": "bo", "plan": None}]


def test_who_comes_back_is_sent_all(clearing, sandbox):
    change(who("ana"), vip="no")
    run_once(clearing)
    change(who("ana"), vip="yes")

    assert run_once(clearing)["ana"] == "sent"
    assert bodies(sandbox)[-1 if clearing.sends_deltas else -2]["city"] == "Bonn"


def test_who_leaves_while_waiting_is_cleared_and_who_comes_back_is_not(
    clearing, sandbox
):
    run = begin(clearing)
    change(who("bo"), vip="no")
    while expansion.expand(expansion.expandable_runs()):
        pass
    change(who("ana"), vip="no")
    change(who("bo"), vip="yes")

    working.to_the_end(clearing)

    assert ends(run)["ana"] == "sent"
    assert sandbox.user("ana")["custom_attributes"] == {}
    assert sandbox.user("bo")["custom_attributes"] == {"plan": "pro"}


def test_a_cleared_person_of_whom_the_answer_was_lost_is_cleared_again(
    clearing, sandbox, settings
):
    settings.HTTP_TOTAL_SECONDS = 1
    change(who("ana"), vip="no")
    change(who("bo"), vip="no")
    sandbox.faults([{"kind": "delay_after", "seconds": 3, "times": 1}])
    assert set(run_once(clearing).values()) == {"uncertain"}

    assert run_once(clearing) == {"ana": "sent", "bo": "sent"}
    assert not Accepted.objects.exists()


def test_a_required_value_is_not_asked_of_who_left(syncing, sandbox):
    version = factories.make_version(
        connection=Connection.objects.get(),
        body={"attributes": [{"external_id": "{{ID}}", "plan": "{{plan}}"}]},
        parameters=[
            factories.parameter("ID", level="identifier"),
            factories.parameter("plan"),
        ],
    )
    ana = person("ana", plan="pro")
    engagement = syncing(("plan",), version=version, clears_who_left=True)
    run_once(engagement)
    change(ana, vip="no", plan=None)

    assert run_once(engagement) == {"ana": "sent"}
    assert sandbox.user("ana")["custom_attributes"] == {}


@pytest.mark.parametrize("skips", [True, False])
@pytest.mark.parametrize("guard", ["holdout", "quiet hours", "cap"])
def test_who_left_is_cleared_whatever_comes_after_that_in_the_guards(
    clearing, sandbox, guard, skips
):
    """Also where nobody else has left since."""
    now = database_clock.now()
    around = timedelta(minutes=20)
    fields = {
        "holdout": {"holdout_share": 99.9},
        "quiet hours": {
            "quiet_from": (now - around).time(),
            "quiet_to": (now + around).time(),
            "quiet_action": "skip",
        },
        "cap": {},
    }[guard]
    Engagement.objects.update(**fields, skips_who_left=skips)
    change(who("ana"), vip="no")
    if guard == "cap":
        FrequencyCap.objects.create(name="One a day", most=1)
        sends = [
            [
                round(now.timestamp() * 1_000),
                0,
                0,
                channel_number("customer_data"),
                0,
                0,
            ]
        ]
        SentLately.objects.create(profile=who("ana"), sends=sends)

    assert run_once(clearing)["ana"] == "sent"
    assert sandbox.user("ana")["custom_attributes"] == {}


def test_who_may_be_sent_nothing_is_not_cleared(clearing, sandbox):
    change(who("ana"), vip="no")
    Suppression.objects.create(kind="person", profile=who("ana"))

    assert run_once(clearing)["ana"] == "suppressed"
    assert sandbox.user("ana")["custom_attributes"] == {"plan": "pro", "city": "Bonn"}


def test_each_of_many_who_left_is_cleared_though_they_were_sent_lately(
    clearing, sandbox, monkeypatch
):
    """More than are taken in at once."""
    monkeypatch.setattr(expansion, "CHUNK", 1)
    Engagement.objects.update(again="after_days", again_after_days=30)
    for name in ("ana", "bo"):
        change(who(name), vip="no")

    assert run_once(clearing) == {"ana": "sent", "bo": "sent"}


def test_a_column_more_sends_all_of_them_and_clears_nobody(clearing, sandbox, braze):
    """TRAPS 28: a changed mapping resends, and takes nobody away meanwhile."""
    before = len(bodies(sandbox))
    clearing.version = attributes_version(braze, ("plan", "city", "vip"))
    clearing.values = {**clearing.values, "vip": "{{ profile.vip }}"}
    clearing.save()

    assert run_once(clearing) == {"ana": "sent", "bo": "sent"}
    assert all(one["vip"] == "yes" for one in bodies(sandbox)[before:])
    assert not any(None in one.values() for one in bodies(sandbox)[before:])
