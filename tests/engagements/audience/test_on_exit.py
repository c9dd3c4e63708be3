"""On exit: who leaves is sent, and not whoever only became part of somebody."""

import pytest

from engagements.lifecycle import transitions
from segments.models import Profile
from tests import factories
from tests.engagements.audience.conftest import arrived, lead, reasons, states, work

pytestmark = pytest.mark.django_db(transaction=True)

EXIT = "on_exit"


@pytest.mark.parametrize("at_once", [1, 7, 1_000])
def test_who_leaves_is_sent_by_the_event_of_it(listening, tell, sandbox, at_once):
    engagement = listening(EXIT)
    tell(
        lead("ann", "card"),
        lead("ben", "loan"),
        ("ann", "Withdrawn", {"product_id": "changed my mind"}),
        at_once=at_once,
    )
    work()
    assert arrived(sandbox, "ann") == ["changed my mind"]
    assert arrived(sandbox, "ben") == []
    assert states(engagement) == {"sent": 1}


def test_who_was_out_before_the_activation_is_not_sent(listening, tell, sandbox):
    tell(lead("ann", "card"), ("ann", "Withdrawn"))
    listening(EXIT, includes_present=True)
    work()
    assert arrived(sandbox, "ann") == []


def in_pune():
    return factories.make_segment(
        rule={"attribute": "city", "is": "equals", "value": "Pune"}
    )


@pytest.mark.parametrize("skips", [True, False])
def test_who_comes_back_while_waiting_is_skipped_as_the_choice_says(
    listening, tell, sandbox, skips
):
    engagement = listening(EXIT, segment=in_pune(), skips_who_left=skips)
    tell(("ann", "identify", {"city": "Pune"}), ("ben", "identify", {"city": "Pune"}))
    tell(("ann", "identify", {"city": "Goa"}), ("ben", "identify", {"city": "Goa"}))
    tell(("ann", "identify", {"city": "Pune"}))
    work()
    assert len(arrived(sandbox, "ben")) == 1
    assert len(arrived(sandbox, "ann")) == (0 if skips else 1)
    assert reasons(engagement) == (["came_back"] if skips else [])


@pytest.mark.parametrize("skips", [True, False])
def test_to_become_part_of_a_member_is_no_exit(listening, tell, sandbox, skips):
    segment = factories.make_segment(rule={"event": "Lead"}, event_names=["Lead"])
    engagement = listening(EXIT, segment=segment, skips_who_left=skips)
    tell(lead("ann", "card"), lead("/device", "loan"))
    tell(("ann/device", "identify", {}))
    assert segment.transitions.filter(kind="exit").count() == 1, "of the device"
    work()
    assert states(engagement) == {}
    assert segment.memberships.get().profile.external_id == "ann"

    tell(lead("ben", "card"), lead("/phone", "loan"))
    tell(("ben/phone", "identify", {}), ("ben", "identify", {"city": "Goa"}))
    segment.rule = {"all": [segment.rule, {"not": {"event": "Withdrawn"}}]}
    segment.event_names = ["Lead", "Withdrawn"]
    segment.save()
    tell(("ben", "Withdrawn", {"product_id": "bye"}))
    work()
    assert arrived(sandbox, "ben") == ["bye"], "whoever really leaves is sent, once"


def test_each_exit_is_sent_where_that_is_wanted(listening, tell, sandbox):
    listening(EXIT, segment=in_pune(), again="always")
    for _ in range(2):
        tell(("ann", "identify", {"city": "Pune"}))
        tell(("ann", "identify", {"city": "Goa"}))
        work()
    assert len(arrived(sandbox, "ann")) == 2


def test_once_a_person_is_once(listening, tell, sandbox):
    engagement = listening(EXIT, segment=in_pune())
    for _ in range(2):
        tell(("ann", "identify", {"city": "Pune"}))
        tell(("ann", "identify", {"city": "Goa"}))
        work()
    assert len(arrived(sandbox, "ann")) == 1
    assert engagement.runs.get().repeats_left_out == 1


def test_a_paused_one_takes_in_later_who_left_meanwhile(listening, tell, sandbox):
    engagement = listening(EXIT)
    tell(lead("ann", "card"))
    transitions.pause(engagement)
    tell(("ann", "Withdrawn", {"product_id": "bye"}))
    work()
    assert arrived(sandbox, "ann") == []
    transitions.resume(engagement)
    work()
    assert arrived(sandbox, "ann") == ["bye"]


def test_who_was_erased_meanwhile_is_nobody(listening, tell, sandbox):
    engagement = listening(EXIT)
    tell(lead("ann", "card"), ("ann", "Withdrawn"))
    Profile.objects.get(external_id="ann").delete()
    work()
    assert states(engagement) == {}
