"""Caps, once, holdout and deltas while two machines die, stand still and misread clocks.

Each machine is a group of four processes with settings of its own: another journal,
another deadline, a clock that is two hours ahead or behind. What Braze has is held against
the deliveries, and both against what may be: never one too many, and nobody lost.
"""

import itertools
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from engagements.guards import plenty
from engagements.lifecycle import transitions
from engagements.models import (
    Batch,
    Delivery,
    Destination,
    Engagement,
    FrequencyCap,
    Run,
    SentLately,
    channel_number,
)
from externalapi.models import Connection
from externalapi.vendors.braze.sandbox.process import SandboxProcess
from segments.membership import refresh
from segments.models import Profile, Segment
from tests import factories
from tests.doubles.celery_processes import CeleryProcess, beat, off, worker
from tests.doubles.sessions import read_only
from tests.engagements.sync.conftest import attributes_version, run_once
from tests.faults import working
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

PEOPLE = 60
BLOWS = 4
# A random one each time, so that a failure is new; its text says which to set here.
SEED = random.SystemRandom().randrange(1_000_000)
NOTE = f"SEED = {SEED}"
HOURS = 2 * 3_600
MOST = 2
CAPPED = ("spring", "summer", "autumn", "winter")
SHARE = 50
FAULTS = (
    {"kind": "delay_after", "seconds": 0.5, "times": 1},
    {"kind": "delay_before", "seconds": 0.5, "times": 1},
    {"kind": "status", "status": 503, "times": 1},
    {"kind": "status", "status": 429, "headers": {"Retry-After": "1"}, "times": 1},
    {"kind": "reset_before", "times": 1},
    {"kind": "reset_after", "times": 1},
    {"kind": "cut_body", "times": 1},
)
MAYBE = {*Delivery.MAYBE_SENT} - {Delivery.State.SENT}
VIP = {"attribute": "vip", "is": "equals", "value": "yes"}
LEAD = {"attribute": "lead", "is": "equals", "value": "yes"}


class Story:
    """Four times four engagements under a cap, one with a holdout, one for each once, one of deltas.

    Each adds one to a number of its own at Braze, and the capped to one that they share.
    """

    def __init__(self, braze: Connection, sandbox: SandboxProcess):
        self.chance = random.Random(SEED)
        self.sandbox = sandbox
        self.braze = braze
        self.people = [
            factories.make_profile(
                external_id=f"p{n}", vip="yes", part=str(n % BLOWS), plan="a", city="a"
            )
            for n in range(PEOPLE)
        ]
        self.vips = factories.make_segment(self.people, rule=VIP)
        self.cap = FrequencyCap.objects.create(
            name="Two a day", most=MOST, channel="messaging"
        )
        # Half of them have to be counted, under locks: of the others room is plain.
        now = plenty.milliseconds(working.ago())
        crm = [[now, 0, 0, channel_number("crm"), 0, n] for n in range(MOST)]
        SentLately.objects.bulk_create(
            SentLately(profile=person, sends=crm) for person in self.people[::2]
        )
        # All four at once, of a quarter of the people with each blow.
        self.capped = [
            [self.make(f"{name}_{part}", "capped", segment=own) for name in CAPPED]
            for part, own in enumerate(map(self.part, range(BLOWS)))
        ]
        self.half = self.make("half", holdout_share=SHARE)
        self.once = self.make(
            "once", segment=factories.make_segment(rule=LEAD), trigger="on_entry",
        )  # fmt: skip
        self.deltas = factories.make_engagement(
            self.vips,
            attributes_version(braze),
            {name: f"{{{{ profile.{name} }}}}" for name in ("plan", "city")},
            name="deltas", trigger="schedule", repeat="hourly", sends_deltas=True,
            ambiguous_policy="resend",
        )  # fmt: skip

    def part(self, number: int) -> Segment:
        rule = {"attribute": "part", "is": "equals", "value": str(number)}
        return factories.make_segment(self.people[number::BLOWS], rule=rule)

    def make(self, name: str, *counts: str, **fields) -> Engagement:
        """One person to a request, so that workers meet.

        Who may have been sent is not sent again.
        """
        counted = {one: {"inc": 1} for one in (name, *counts)}
        version = attributes_version(
            self.braze,
            (),
            body={"attributes": [{"external_id": "{{ID}}", **counted}]},
            batch_combined=1,
        )
        if counts:
            # Others are counted, too, where they are of the channel.
            version.external_api.channel = self.cap.channel
            version.external_api.save()
        fields.setdefault("segment", self.vips)
        fields.setdefault("trigger", "schedule")
        return factories.make_engagement(
            version=version, values={}, name=name, ambiguous_policy="park", **fields
        )

    def begin(self, number: int) -> None:
        """What there is to do while something breaks."""
        self.sandbox.faults([dict(self.chance.choice(FAULTS)) for _ in range(6)])
        for engagement in self.capped[number]:
            transitions.activate(engagement)
        if number == 0:
            transitions.activate(self.once)
            transitions.activate(self.deltas)
        if number == 2:
            transitions.activate(self.half)
        for person in self.chance.sample(self.people, PEOPLE // 2):
            person.attributes["plan"] = self.chance.choice("abc")
        # They come, go, and come again: all by the second time at the latest.
        for n, person in enumerate(self.people):
            is_in = number == 3 or (n % 2 == number % 2)
            person.attributes["lead"] = "yes" if is_in else "no"
        Profile.objects.bulk_update(self.people, ["attributes"])
        refresh.evaluate([person.pk for person in self.people])
        if number:
            factories.make_run(self.deltas)

    def hurry(self) -> None:
        """Let nobody wait for a next attempt, nor until Braze is asked again.

        So many faults in a row open the breaker, for twice as long each time.
        """
        past = working.ago(seconds=1)
        waiting = Batch.objects.filter(state__in=Batch.DUE, next_attempt_at__gt=past)
        waiting.update(next_attempt_at=past)
        Destination.objects.filter(blocked_until__gt=past).update(blocked_until=past)

    def goes_on(self, seen: int) -> bool:
        """Whether Braze was sent more requests than these."""
        self.hurry()
        return int(self.sandbox.traffic()["requests"]) > seen

    def is_over(self) -> bool:
        """Whether everything has come to its end."""
        self.hurry()
        at_work = Run.objects.filter(state__in=Run.OPEN, is_standing=False)
        waits = Batch.objects.open().exists() or at_work.exists()
        return not waits and self._once_has_everybody()

    def _once_has_everybody(self) -> bool:
        rows = Delivery.objects.filter(
            run__engagement=self.once, state__in=Delivery.MAYBE_SENT
        )
        return rows.values("profile").distinct().count() == PEOPLE


# --- What breaks ------------------------------------------------------------------------


class Machines:
    """Two of four processes each, whose clocks are four hours apart."""

    def __init__(self, folder: Path, chance: random.Random, stack: ExitStack):
        self.folder, self.chance, self.stack = folder, chance, stack
        self.running = [self._start(number) for number in (0, 1)]

    def _start(self, number: int) -> CeleryProcess:
        journal = self.folder / f"journal-{number}"
        ahead = HOURS if number else -HOURS
        own = {"JOURNAL_DIR": str(journal), "DELIVERY_LEASE_SECONDS": str(3 + number)}
        return self.stack.enter_context(off(ahead, partial(worker, 4), **own))

    def kill(self) -> None:
        number = self.chance.randrange(2)
        self.running[number].kill()
        self.running[number] = self._start(number)

    def stop(self) -> None:
        """For longer than a lease, while the other goes on."""
        with self.chance.choice(self.running).stopped():
            time.sleep(5)

    def forbid_writing(self) -> None:
        with read_only():
            time.sleep(2)


def test_never_one_too_many_and_nobody_lost(braze, sandbox, tmp_path):
    story = Story(braze, sandbox)
    with ExitStack() as stack:
        stack.enter_context(beat())
        machines = Machines(tmp_path, story.chance, stack)
        blows: list[Sequence[Callable[[], None]]] = [
            [machines.kill],
            [machines.stop],
            [machines.forbid_writing],
            [machines.kill, machines.kill],
        ]
        story.chance.shuffle(blows)
        for number, blow in enumerate(blows):
            seen = sandbox.traffic()["requests"]
            story.begin(number)
            wait_until(partial(story.goes_on, seen), f"work, {NOTE}")
            for strike in blow:
                time.sleep(story.chance.uniform(0, 0.4))
                strike()
        wait_until(story.is_over, f"the end, {NOTE}", 180)

    sandbox.clear_faults()
    check_caps(story)
    check_holdout(story)
    check_once(story)
    check_deltas(story)


# --- What must be so --------------------------------------------------------------------


def held(story: Story, name: str) -> dict[int, Any]:
    """Person → what they have by that name at Braze; 0 where there is nothing."""
    found = {}
    for person in story.people:
        user = story.sandbox.user(str(person.external_id)) or {"custom_attributes": {}}
        found[person.pk] = user["custom_attributes"].get(name, 0)
    return found


def ends(*engagements: Engagement) -> dict[int, Counter[str]]:
    """Person → how often they came to which end; a skip by its code.

    Who may have been sent, and nobody can know it, is "maybe".
    """
    rows = Delivery.objects.filter(run__engagement__in=engagements)
    found: dict[int, Counter[str]] = {}
    for person, state, reason in rows.values_list("profile", "state", "reason"):
        code = reason.partition(":")[0] if state == "skipped" else state
        code = "maybe" if state in MAYBE else code
        found.setdefault(person, Counter())[code] += 1
    return found


def agree(its: Counter[str], number: int) -> None:
    """Who was sent is counted once, and who may have been at most once."""
    assert its["sent"] <= number <= its["sent"] + its["maybe"], (its, NOTE)


def check_caps(story: Story) -> None:
    numbers = held(story, "capped")
    found = ends(*itertools.chain(*story.capped))
    assert len(found) == PEOPLE, NOTE
    for person, its in found.items():
        assert its["sent"] + its["maybe"] == MOST, (person, its, NOTE)
        assert its["frequency_cap"] == len(CAPPED) - MOST, (person, its, NOTE)
        agree(its, numbers[person])


def check_holdout(story: Story) -> None:
    numbers, found = held(story, "half"), ends(story.half)
    salt = f"holdout of engagement {story.half.pk}"
    for person in story.people:
        digest = sha256(f"{salt}\n{person.pk}".encode()).hexdigest()
        is_drawn = int(digest[:16], 16) / 2**64 * 100 < SHARE
        its = found[person.pk]
        assert its["holdout"] == is_drawn, NOTE
        assert its.total() == 1, NOTE
        agree(its, numbers[person.pk])


def check_once(story: Story) -> None:
    numbers, found = held(story, "once"), ends(story.once)
    for person, its in found.items():
        # Who had left when a request was written comes in again.
        assert its["sent"] + its["maybe"] == 1, (person, its, NOTE)
        agree(its, numbers[person])


def check_deltas(story: Story) -> None:
    """Once more without trouble: then Braze has what they are, and there is no more."""
    run_once(story.deltas)
    for name in ("plan", "city"):
        own = {p.pk: p.attributes[name] for p in story.people}
        assert held(story, name) == own, NOTE
    assert set(run_once(story.deltas).values()) == {"unchanged"}, NOTE
