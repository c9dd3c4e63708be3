"""A delay: nothing is taken in before it is over, and who left by then is not sent."""

from datetime import timedelta

import pytest

from engagements.audience import expansion
from engagements.lifecycle import transitions
from engagements.models import Delivery
from segments.models import Profile, Transition
from tests import factories
from tests.engagements.audience.conftest import (
    arrived,
    lead,
    let_pass,
    reasons,
    states,
    work,
)

pytestmark = pytest.mark.django_db(transaction=True)


def in_pune():
    return factories.make_segment(
        rule={"attribute": "city", "is": "equals", "value": "Pune"}
    )


def moves(who: str, city: str):
    return (who, "identify", {"city": city})


@pytest.mark.parametrize("unit", ["minutes", "hours", "days"])
def test_who_enters_is_sent_when_the_delay_is_over(listening, tell, sandbox, unit):
    engagement = listening("on_entry", delay=2, delay_unit=unit)
    tell(lead("ann", "card"))
    assert expansion.expandable_runs() == []
    work()
    assert arrived(sandbox, "ann") == []

    let_pass(**{unit: 1.9})
    work()
    assert arrived(sandbox, "ann") == []
    due_in = expansion.next_due_in()
    assert due_in is not None
    assert timedelta(0) < due_in <= 0.1 * timedelta(**{unit: 1})

    let_pass(**{unit: 0.1})
    work()
    assert arrived(sandbox, "ann") == ["card"]
    assert states(engagement) == {"sent": 1}


@pytest.mark.parametrize("trigger", ["on_entry", "each_event"])
@pytest.mark.parametrize("skips", [True, False])
def test_who_leaves_before_it_is_over_is_sent_as_the_choice_says(
    listening, tell, sandbox, trigger, skips
):
    engagement = listening(trigger, delay=1, delay_unit="hours", skips_who_left=skips)
    tell(lead("ann", "card"), lead("ben", "loan"), ("ann", "Withdrawn"))
    let_pass(hours=1)
    work()
    assert arrived(sandbox, "ben") == ["loan"]
    assert arrived(sandbox, "ann") == ([] if skips else ["card"])
    assert reasons(engagement) == (["left_segment"] if skips else [])


@pytest.mark.parametrize("skips", [True, False])
def test_who_left_and_came_back_waits_anew(listening, tell, sandbox, skips):
    """The first entry is over with the exit, though they are in again."""
    engagement = listening(
        "on_entry",
        segment=in_pune(),
        delay=1,
        delay_unit="hours",
        again="always",
        skips_who_left=skips,
    )
    tell(moves("ann", "Pune"), moves("ann", "Goa"))
    let_pass(minutes=30)
    tell(moves("ann", "Pune"))
    let_pass(minutes=30)
    work()
    assert len(arrived(sandbox, "ann")) == (0 if skips else 1)
    let_pass(minutes=30)
    work()
    assert len(arrived(sandbox, "ann")) == (1 if skips else 2)
    assert reasons(engagement) == (["left_segment"] if skips else [])


@pytest.mark.parametrize("skips", [True, False])
def test_who_comes_back_before_it_is_over_had_not_left(listening, tell, sandbox, skips):
    engagement = listening(
        "on_exit",
        segment=in_pune(),
        delay=1,
        delay_unit="hours",
        again="always",
        skips_who_left=skips,
    )
    tell(moves("ann", "Pune"), moves("ben", "Pune"))
    tell(moves("ann", "Goa"), moves("ben", "Goa"))
    tell(moves("ann", "Pune"))
    tell(moves("ann", "Goa"))
    let_pass(hours=1)
    work()
    assert len(arrived(sandbox, "ben")) == 1
    # Whose second exit is the one that nothing came after.
    assert len(arrived(sandbox, "ann")) == (1 if skips else 2)
    assert reasons(engagement) == (["came_back"] if skips else [])


def test_each_event_waits_for_itself_and_they_keep_their_order(
    listening, tell, sandbox
):
    listening("each_event", delay=1, delay_unit="hours")
    tell(lead("ann", "1"), lead("ann", "2"))
    let_pass(minutes=30)
    tell(lead("ann", "3"))
    let_pass(minutes=30)
    work()
    assert arrived(sandbox, "ann") == ["1", "2"]
    let_pass(minutes=30)
    work()
    assert arrived(sandbox, "ann") == ["1", "2", "3"]


def test_a_line_whose_time_is_before_the_one_in_front_of_it_waits_for_that(
    listening, tell, sandbox
):
    """A transaction that began first and wrote last."""
    listening("on_entry", delay=1, delay_unit="hours")
    tell(lead("ann", "1"))
    tell(lead("ben", "1"))
    let_pass(minutes=59)
    ben = Transition.objects.get(profile__external_id="ben")
    Transition.objects.filter(pk=ben.pk).update(at=ben.at - timedelta(minutes=2))
    work()
    assert arrived(sandbox, "ben") == []
    let_pass(minutes=1)
    work()
    assert arrived(sandbox, "ann") == arrived(sandbox, "ben") == ["1"]


def test_the_delay_goes_on_while_it_is_paused(listening, tell, sandbox):
    engagement = listening("on_entry", delay=1, delay_unit="hours")
    tell(lead("ann", "card"))
    transitions.pause(engagement)
    let_pass(hours=1)
    work()
    assert arrived(sandbox, "ann") == []
    transitions.resume(engagement)
    work()
    assert arrived(sandbox, "ann") == ["card"]


def test_who_ends_it_while_they_wait_sends_none_of_them(listening, tell, sandbox):
    engagement = listening("on_entry", delay=1, delay_unit="hours")
    tell(lead("ann", "card"))
    transitions.end(engagement)
    let_pass(hours=1)
    work()
    assert states(engagement) == {}


def test_who_is_erased_while_they_wait_is_nobody(listening, tell, sandbox):
    engagement = listening("on_entry", delay=1, delay_unit="hours")
    tell(lead("ann", "card"), lead("ben", "card"))
    Profile.objects.get(external_id="ann").delete()
    let_pass(hours=1)
    work()
    assert states(engagement) == {"sent": 1}
    assert Delivery.objects.get().profile.external_id == "ben"


def test_who_becomes_part_of_somebody_while_they_wait_is_sent_as_them(
    listening, tell, sandbox
):
    engagement = listening("each_event", delay=1, delay_unit="hours")
    tell(lead("ann", "1"), lead("device", "2"))
    ann, device = (Profile.objects.get(external_id=who) for who in ("ann", "device"))
    Profile.objects.filter(pk=device.pk).update(merged_into=ann)
    device.memberships.all().delete()
    let_pass(hours=1)
    work()
    assert arrived(sandbox, "ann") == ["1", "2"]
    assert states(engagement) == {"sent": 2}
