"""The log of entries and exits is the same, however messages fall into chunks.

With each message in a chunk of its own it is held against an oracle, which looks at
everybody before and after. `make fuzz-segments` asks very many more, by a seed.
"""

from contextlib import contextmanager

import pytest
from django.db import transaction
from django.utils import timezone

from segments.models import Event, Profile, Transition
from tests.segments.membership.worlds import World
from tests.segments.rules import oracle, stored

pytestmark = pytest.mark.django_db

MESSAGES = 30
CHUNKS = (2, 7, 1_000)


def pytest_generate_tests(metafunc):
    count = metafunc.config.getoption("--rule-worlds")
    seed = metafunc.config.getoption("--rule-seed")
    metafunc.parametrize("seed", [f"{seed}/{number}" for number in range(2 * count)])


def test_every_chunk_gives_the_oracles_log(seed):
    with undone():
        one_by_one = alone(World(seed))
    for size in CHUNKS:
        with undone():
            world = World(seed)
            world.begin()
            world.send(world.messages(MESSAGES), size)
            assert world.members() == world.expected_members(), size
            log = world.log()
            assert log == one_by_one, size


@contextmanager
def undone():
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def alone(world):
    """The log of a world whose messages come one by one, held against the oracle."""
    world.begin()
    log = OraclesLog(world)
    for message in world.messages(MESSAGES):
        seen = max(Transition.objects.values_list("pk", flat=True), default=0)
        world.send([message], 1)
        expected = log.after(message[0])
        places = {segment.pk: n for n, segment in enumerate(world.segments)}
        lines = [
            (places[line.segment_id], line.profile_id, line.kind, line.event_id)
            for line in Transition.objects.filter(pk__gt=seen).order_by("pk")
        ]
        assert sorted(lines, key=str) == sorted(expected, key=str), message
        assert world.members() == world.expected_members(), message
    return world.log()


class OraclesLog:
    """What the log says after each message, by looking at everybody."""

    def __init__(self, world):
        self.world = world
        self.people, self.roots = {}, {}
        self.members = {number: set() for number in range(len(world.rules))}

    def after(self, message_id):
        """(segment's number, row, kind, event's id) of all new lines."""
        now, people = timezone.now(), stored.read()
        rows = Profile.objects.values_list("pk", "merged_into_id")
        roots = {pk: into or pk for pk, into in rows}
        event = Event.objects.filter(message_id=message_id).first()
        lines = []
        taken_in = self.world.taken_in(people, now)
        for number, rule in enumerate(self.world.rules):
            were = self.members[number]
            holds = {pk: pk in taken_in[number] for pk in people}
            lines += self._joined(number, were, roots)
            inherited = self._split(were, roots, holds)
            for pk, person in people.items():
                if holds[pk] is not (pk in were):
                    said = oracle.says(rule, person, now, wanted=holds[pk])
                    by = said[-1].number if said else None
                    lines.append((number, pk, "entry" if holds[pk] else "exit", by))
                elif (
                    number % 3 == 0
                    and event
                    and event.profile_id == pk
                    and holds[pk]
                    and pk not in inherited
                    and event.pk in {d.number for d in oracle.says(rule, person, now)}
                ):
                    lines.append((number, pk, "again", event.pk))
            self.members[number] = {pk for pk, is_in in holds.items() if is_in}
        self.roots = roots
        return lines

    def _joined(self, number, were, roots):
        """Rows that were somebody's and are part of another now: nobody enters by it."""
        lines = []
        for row, root in self.roots.items():
            if row == root and roots[row] != row and row in were:
                were.remove(row)
                if roots[row] in were:
                    lines.append((number, row, "exit", None))
                were.add(roots[row])
        return lines

    def _split(self, were, roots, holds):
        """Rows that are somebody's now, and were part of another, stay in."""
        heirs = set()
        for row, root in self.roots.items():
            now = roots[row]
            was_part = row != root and root in were and roots[root] == root
            if was_part and now != root and holds[now] and now not in were:
                heirs.add((root, now))
        for root, now in heirs:
            were.add(now)
            if not holds[root]:
                were.discard(root)
        return {now for _, now in heirs}
