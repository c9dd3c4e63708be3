"""Whatever happens to people, everybody is in just the segments that an oracle says.

Messages in any order and chunk, merges and their undoing, time that goes by, events that
are deleted, people who are erased, rules that change: after each of them the members
are the oracle's, and counting everybody anew finds nothing to do. `make fuzz-segments`
asks very many more, by a seed.
"""

import time
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db.models import F
from django.utils import timezone

from segments import retention
from segments.membership import counting, refresh
from segments.models import Event, Membership, MergeLog, Profile, Segment, Transition
from segments.privacy import erasure
from tests.segments.membership.worlds import World, valid_rule

pytestmark = pytest.mark.django_db

MOMENTS = 25


def pytest_generate_tests(metafunc):
    count = metafunc.config.getoption("--rule-worlds")
    seed = metafunc.config.getoption("--rule-seed")
    metafunc.parametrize("seed", [f"{seed}/{number}" for number in range(2 * count)])


class Life(World):
    """A world in which more happens than messages."""

    def talk(self):
        size = self.random.choice((1, 2, 7, 1_000))
        self.send(self.messages(self.random.randint(1, 8)), size)

    def pass_time(self):
        """Everything was so much earlier, and is looked at as the tick does."""
        length = timedelta(hours=self.random.choice((0.2, 0.5, 3, 26, 80)))
        Event.objects.update(time=F("time") - length)
        Segment.objects.update(
            clock_at=F("clock_at") - length,
            refreshed_at=F("refreshed_at") - length,
            updated_at=F("updated_at") - length,
        )
        refresh.refresh_due(timezone.now())

    def forget(self):
        """The oldest events are kept no longer: by the time at which they came in."""
        events = Event.objects.order_by("pk")
        if gone := list(events[: self.random.randint(1, 4)]):
            last = events.filter(pk__lte=gone[-1].pk)
            last.update(received_at=timezone.now() - timedelta(days=400))
            before = timezone.now() - timedelta(days=300)
            retention.clean_events(before, time.monotonic() + 60, lambda ids: set())

    def erase(self):
        if people := list(Profile.objects.order_by("pk")):
            person = self.random.choice(people)
            erasure.erase_person(person, asked_through="a test", may_return=True)
            left = {person.pk, person.merged_into_id}
            assert not Transition.objects.filter(profile__in=left).exists()

    def undo(self):
        merges = list(MergeLog.objects.filter(kind="merge", undone_at=None))
        if merges:
            try:
                call_command("undo_merge", self.random.choice(merges).pk, verbosity=0)
            except CommandError:
                # Something else has split them.
                pass

    def change_a_rule(self):
        number = self.random.randrange(len(self.rules))
        self.rules[number] = valid_rule(self.random)
        segment = Segment.objects.get(pk=self.segments[number].pk)
        segment.rule = self.rules[number]
        counting.mark_changed(segment)
        segment.save()
        refresh.refresh(segment.pk)

    def happens(self):
        moments = {
            self.talk: 12,
            self.pass_time: 3,
            self.forget: 2,
            self.erase: 1,
            self.undo: 2,
            self.change_a_rule: 1,
        }
        [moment] = self.random.choices(list(moments), list(moments.values()))
        moment()
        return moment.__name__


def test_everybody_is_where_the_oracle_says_whatever_happens(seed):
    life = Life(seed)
    life.begin()
    happened = []
    for _ in range(MOMENTS):
        happened.append(life.happens())
        assert life.members() == life.expected_members(), happened
        there = set(Event.objects.values_list("pk", flat=True))
        for model in (Membership, Transition):
            named = model.objects.exclude(event=None).values_list("event_id", flat=True)
            assert set(named) <= there, happened
    for segment in life.segments:
        change = refresh.refresh(segment.pk)
        assert not change, (happened, segment.rule)
    assert not Segment.objects.exclude(problem="").exists()
