"""On each qualifying event: each is sent, once, with its own properties and in order."""

from datetime import timedelta

import pytest
from django.utils import timezone

from engagements import retention
from engagements.lifecycle import transitions
from engagements.models import Batch, Delivery, FrequencyCap, TakenIn
from engagements.recovery import retry_failed
from segments.models import Event, Profile
from tests import factories
from tests.engagements.audience.conftest import (
    arrived,
    lead,
    reasons,
    states,
    work,
)

pytestmark = pytest.mark.django_db(transaction=True)

EACH = "each_event"


@pytest.mark.parametrize("at_once", [1, 7, 1_000])
def test_each_submission_is_sent_with_its_own_properties(
    listening, tell, sandbox, at_once
):
    listening(EACH)
    products = [f"p{n}" for n in range(20)]
    messages = [lead(who, p) for p in products for who in ("ann", "ben")]

    tell(*messages, at_once=at_once)
    work()

    assert arrived(sandbox, "ann") == arrived(sandbox, "ben") == products


def test_two_submissions_one_after_the_other_arrive_as_two(listening, tell, sandbox):
    engagement = listening(EACH)
    for product in ("gold-card", "home-loan"):
        tell(lead("ann", product))
        work()
    work()
    assert arrived(sandbox, "ann") == ["gold-card", "home-loan"]
    assert states(engagement) == {"sent": 2}


def test_what_was_done_before_the_activation_is_not_sent(listening, tell, sandbox):
    tell(lead("ann", "before"))
    listening(EACH)
    tell(lead("ann", "after"))
    work()
    assert arrived(sandbox, "ann") == ["after"]


def test_who_is_in_already_is_sent_where_that_is_wanted(listening, tell, sandbox):
    tell(lead("ann", "before"))
    listening(EACH, includes_present=True)
    tell(lead("ann", "after"))
    work()
    assert sorted(arrived(sandbox, "ann")) == ["after", "before"]


def test_an_event_does_not_go_along_twice(listening, tell, sandbox):
    """Somebody leaves and comes in by something else, with the event of before."""
    in_pune = {"attribute": "city", "is": "equals", "value": "Pune"}
    segment = factories.make_segment(
        rule={"all": [{"event": "Lead"}, in_pune]}, event_names=["Lead"]
    )
    engagement = listening(EACH, segment=segment)
    tell(("ann", "identify", {"city": "Pune"}), lead("ann", "first"))
    tell(("ann", "identify", {"city": "Goa"}))
    tell(("ann", "identify", {"city": "Pune"}))
    assert segment.transitions.filter(kind="entry").count() == 2
    work()
    assert arrived(sandbox, "ann") == ["first"]
    assert engagement.runs.get().repeats_left_out == 1

    tell(lead("ann", "second"))
    work()
    assert arrived(sandbox, "ann") == ["first", "second"]


def test_a_paused_one_takes_in_later_what_was_done_meanwhile(listening, tell, sandbox):
    engagement = listening(EACH)
    tell(lead("ann", "1"))
    work()
    transitions.pause(engagement)
    tell(lead("ann", "2"), lead("ann", "3"))
    work()
    assert arrived(sandbox, "ann") == ["1"]
    transitions.resume(engagement)
    work()
    assert arrived(sandbox, "ann") == ["1", "2", "3"]


def test_values_that_were_changed_meanwhile_are_those_of_what_comes_later(
    listening, tell, sandbox
):
    engagement = listening(EACH)
    tell(lead("ann", "1"))
    work()
    transitions.pause(engagement)
    tell(lead("ann", "2"))
    engagement.values = {**engagement.values, "Product ID": "changed"}
    engagement.save()
    transitions.resume(engagement)
    work()
    tell(lead("ann", "3"))
    work()
    assert arrived(sandbox, "ann") == ["1", "changed", "changed"]


def test_the_log_has_the_lines_as_long_as_somebody_listens(listening, tell, leads):
    first, second = listening(EACH), listening(EACH)
    leads.refresh_from_db()
    assert leads.keeps_again
    transitions.pause(first)
    transitions.end(second)
    leads.refresh_from_db()
    assert leads.keeps_again, "who paused it takes in later what is done meanwhile"
    transitions.end(first)
    leads.refresh_from_db()
    assert not leads.keeps_again

    listening("on_entry")
    leads.refresh_from_db()
    assert not leads.keeps_again, "nobody asks for it"


def test_an_activation_anew_begins_with_what_comes_then(listening, tell, sandbox):
    engagement = listening(EACH)
    tell(lead("ann", "1"))
    work()
    transitions.end(engagement)
    tell(lead("ann", "2"))
    engagement.refresh_from_db()
    transitions.activate(engagement)
    tell(lead("ann", "3"))
    work()
    assert arrived(sandbox, "ann") == ["1", "3"]


def test_once_a_person_sends_no_second_event(listening, tell, sandbox):
    engagement = listening(EACH, again="once")
    for product in ("1", "2"):
        tell(lead("ann", product), lead("ann", f"{product}b"))
        work()
    assert arrived(sandbox, "ann") == ["1"]
    assert engagement.runs.get().repeats_left_out == 3


# --- At most so many events of a person in a time --------------------------------------


@pytest.mark.parametrize("at_once", [1, 7, 1_000])
def test_more_events_than_the_limit_are_skipped_and_counted(
    listening, tell, sandbox, at_once
):
    engagement = listening(EACH, most_events=2, most_events_per="hour")
    tell(
        *[lead("ann", str(n)) for n in range(5)],
        lead("ben", "one"),
        at_once=at_once,
    )
    work()
    assert arrived(sandbox, "ann") == ["0", "1"]
    assert arrived(sandbox, "ben") == ["one"]
    assert states(engagement) == {"sent": 3, "skipped": 3}
    assert reasons(engagement) == ["over_limit"] * 3
    assert Delivery.objects.count() == 6


def test_the_limit_is_of_the_last_hour_and_not_of_the_clocks(listening, tell, sandbox):
    listening(EACH, most_events=1, most_events_per="hour")
    tell(lead("ann", "1"))
    work()
    tell(lead("ann", "2"))
    work()
    assert arrived(sandbox, "ann") == ["1"]
    an_hour_ago = timezone.now() - timedelta(minutes=61)
    TakenIn.objects.update(times=[an_hour_ago], last_at=an_hour_ago)
    tell(lead("ann", "3"), lead("ann", "4"))
    work()
    assert arrived(sandbox, "ann") == ["1", "3"]


def test_who_becomes_part_of_somebody_brings_their_count_along(
    listening, tell, sandbox
):
    engagement = listening(EACH, most_events=2, most_events_per="day")
    tell(lead("ann", "1"), lead("ben", "2"))
    work()
    ann, ben = (Profile.objects.get(external_id=who) for who in ("ann", "ben"))
    Profile.objects.filter(pk=ann.pk).update(merged_into=ben)
    tell(lead("ben", "3"))
    work()
    assert reasons(engagement) == ["over_limit"]
    assert len(TakenIn.objects.get().times) == 2


def test_what_is_kept_of_the_limit_goes_when_nobody_asks_for_it(listening, tell):
    listening(EACH, most_events=1)
    tell(lead("ann", "1"), lead("ben", "1"))
    work()
    two_days_ago = timezone.now() - timedelta(days=2)
    ann = TakenIn.objects.filter(profile__external_id="ann")
    ann.update(times=[two_days_ago], last_at=two_days_ago)
    retention.clean(10)
    assert TakenIn.objects.get().profile.external_id == "ben"


def test_who_is_over_the_limit_can_be_sent_by_hand(listening, tell, sandbox):
    engagement = listening(EACH, most_events=1)
    tell(lead("ann", "1"), lead("ann", "2"))
    work()
    skipped = Delivery.objects.filter(run__engagement=engagement, state="skipped")
    assert retry_failed.retry(skipped).people == 1
    work()
    assert arrived(sandbox, "ann") == ["1", "2"]


# --- What is deleted meanwhile ----------------------------------------------------------


def test_an_event_is_kept_as_long_as_its_line_is_to_be_taken_in(
    listening, tell, sandbox, settings
):
    engagement = listening(EACH)
    transitions.pause(engagement)
    tell(lead("ann", "1"), lead("ann", "2"))
    Event.objects.update(received_at=timezone.now() - timedelta(days=4_000))
    retention.clean(10)
    assert Event.objects.count() == 2
    transitions.resume(engagement)
    work()
    assert arrived(sandbox, "ann") == ["1", "2"]
    retention.clean(10)
    assert not Event.objects.exists(), "now nobody needs them"


def test_who_is_erased_between_two_events_is_sent_no_second(listening, tell, sandbox):
    engagement = listening(EACH, most_events=5)
    tell(lead("ann", "1"))
    work()
    transitions.pause(engagement)
    tell(lead("ann", "2"), lead("ben", "1"))
    Profile.objects.get(external_id="ann").delete()
    transitions.resume(engagement)
    work()
    assert arrived(sandbox, "ann") == ["1"]
    assert arrived(sandbox, "ben") == ["1"]
    assert TakenIn.objects.get().profile.external_id == "ben"
    assert not Batch.objects.open().exists()


def test_a_cancelled_run_sends_none_of_what_waits(listening, tell, sandbox):
    engagement = listening(EACH)
    run = engagement.runs.get()
    transitions.pause(engagement)
    tell(lead("ann", "1"), lead("ann", "2"))
    transitions.cancel(run)
    transitions.resume(engagement)
    work()
    assert arrived(sandbox, "ann") == []


def test_events_above_the_ceiling_wait_for_a_word(listening, tell, sandbox):
    engagement = listening(EACH, ceiling=2)
    tell(*[lead("ann", str(n)) for n in range(3)])
    work()
    engagement.refresh_from_db()
    assert engagement.state == "paused"
    assert arrived(sandbox, "ann") == []
    assert not TakenIn.objects.exists()


def test_several_at_once_find_the_room_that_a_failure_gave_back(
    listening, tell, sandbox
):
    """Three leads under two a day, of which one that failed before counts no more."""
    FrequencyCap.objects.create(name="Two a day", most=2)
    engagement = listening(EACH)
    tell(lead("ann", "a"))
    work()
    Delivery.objects.update(state="dead")

    tell(*(lead("ann", product) for product in "bcd"))
    work()
    assert arrived(sandbox, "ann") == ["a", "b", "c"]
    assert reasons(engagement) == ["frequency_cap"]
