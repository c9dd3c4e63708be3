"""Who left since: the attributes that the engagement wrote are cleared, once."""

import pytest

from engagements.audience import expansion
from engagements.models import Accepted, Engagement
from externalapi.models import Connection
from segments.models import Profile
from tests import factories
from tests.engagements.sync.conftest import (
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
