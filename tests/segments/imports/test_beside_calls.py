"""Files and calls about the same people, in pieces, in any order, killed in between.

Whatever comes first, the people are those that the oracle of docs/identity.md reads off
all rows and calls together: a row is an identify of the time when its import began.
"""

import random

import pytest
from django.core.management import call_command
from django.db import transaction

from segments.identity.plain import choosing
from segments.imports import lifecycle, runner
from segments.ingest import inbox
from segments.models import Event, Import, MergeLog, Profile
from tests import factories
from tests.segments.identity import oracle
from tests.segments.identity.test_every_order import people, to_inbox
from tests.segments.imports.conftest import attribute, bring_in, plan, take, work

pytestmark = pytest.mark.django_db

IDS = [*(f"u{n}" for n in range(12)), "null", ""]
DEVICES = [*(f"d{n}" for n in range(6)), "undefined", "", ""]
EMAILS = ["a@x.example", "A@X.example", "j.doe@gmail.com", "jdoe@gmail.com", "", ""]
PHONES = ["+447700900123", "+44 7700 900123", "+4915112345678", "", "", ""]
CITIES = ["Ulm", "Bonn", "Köln", ""]
TIMES = ["2020-01-05", "2020-01-06", "2190-01-05", "2190-01-06"]
NAMES = ("id", "device", "email", "phone", "city")
USES = plan(
    {"to": "external_id"},
    {"to": "anonymous_id"},
    {"to": "email"},
    {"to": "phone"},
    attribute("city"),
)


class World:
    """What is said of a few people, of one seed; `told`: all of it, as calls."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.sources = [factories.make_source() for _ in range(2)]
        self.told = []
        self.imports = []

    def row(self):
        """(id, device, e-mail, phone, city), one of which names somebody."""
        while True:
            row = [self.random.choice(v) for v in (IDS, DEVICES, EMAILS, PHONES)]
            if any(row):
                return [*row, self.random.choice(CITIES)]

    def send(self):
        calls = [
            self.call(len(self.told) + n) for n in range(self.random.choice([1, 9]))
        ]
        self.told += calls
        inbox.append(self.random.choice(self.sources), [to_inbox(c) for c in calls])

    def call(self, number):
        user_id, device, email, phone, city = self.row()
        time = f"{self.random.choice(TIMES)}T10:00:00.000000+00:00"
        call = {"messageId": f"call-{number:05}", "timestamp": time}
        kind = self.random.choice(["identify", "identify", "track", "alias"])
        if kind == "alias" and user_id not in ("", "null"):
            previous = self.random.choice(["u1", "u2", "d1"])
            return call | {"type": kind, "userId": user_id, "previousId": previous}
        if kind == "track":
            call |= {"event": "Seen", "properties": {}}
        kind = "track" if kind == "track" else "identify"
        traits = {"email": email, "phone": phone, "city": city}
        named = {"userId": user_id, "anonymousId": device}
        call["traits"] = {name: value for name, value in traits.items() if value}
        return call | {"type": kind} | {n: v for n, v in named.items() if v}

    def begin(self):
        rows = [self.row() for _ in range(self.random.choice([3, 20]))]
        lines = [",".join(row) for row in (NAMES, *rows)]
        imported = take("\n".join(lines))
        assert lifecycle.start_unchecked(imported, USES, self.sources[0])
        imported.refresh_from_db()
        self.imports.append(imported)
        for line, (user_id, device, *said) in enumerate(rows, 2):
            traits = zip(NAMES[2:], said, strict=True)
            named = {"userId": user_id, "anonymousId": device}
            self.told.append(
                {
                    "type": "identify",
                    "messageId": f"{runner.prefix_of(imported)}{line:010}",
                    "timestamp": imported.started_at.isoformat(timespec="microseconds"),
                    "traits": {name: value for name, value in traits if value},
                    **{name: value for name, value in named.items() if value},
                }
            )

    def go_on(self):
        for imported in self.imports:
            runner.turn(imported.pk, 0.004)

    def kill(self):
        """What is going on ends without a commit."""
        with transaction.atomic():
            self.go_on()
            inbox.apply_some(5)
            transaction.set_rollback(True)


@pytest.mark.parametrize("seed", range(25))
def test_rows_and_calls_make_the_people_that_they_make_together(seed, monkeypatch):
    monkeypatch.setattr(choosing, "FEW", 1)
    monkeypatch.setattr(runner, "PIECE", 4)
    world = World(seed)
    acts = [world.send, world.begin, world.go_on, world.kill, inbox.apply_some]
    for _ in range(14):
        world.random.choice(acts)()
    for imported in world.imports:
        assert work(imported).state == Import.State.DONE
        assert imported.bad == 0
    assert inbox.apply().errors == 0
    right = oracle.people(world.told)
    assert people() - right == set()
    assert right - people() == set()


def test_a_merge_by_a_file_is_undone_and_the_file_does_not_make_it_again():
    device = {"anonymousId": "d1", "timestamp": "2020-01-05T10:00:00.000000+00:00"}
    inbox.append(
        factories.make_source(),
        [
            ("m1", "identify", {**device, "traits": {"city": "Ulm"}}),
            ("m2", "track", {**device, "event": "Seen", "properties": {}}),
        ],
    )
    inbox.apply()
    decided = plan({"to": "external_id"}, {"to": "anonymous_id"}, attribute("city"))
    bring_in("id,device,city\nu1,d1,Bonn\n", decided)
    assert Event.objects.get().profile.external_id == "u1"
    call_command("undo_merge", str(MergeLog.objects.get().pk))
    bring_in("id,device,city\nu1,d1,Jena\n", decided)
    known, of_device = Profile.objects.order_by("external_id")
    assert (known.external_id, known.attributes) == ("u1", {"city": "Jena"})
    assert (of_device.merged_into, of_device.attributes) == (None, {"city": "Ulm"})
    assert Event.objects.get().profile == of_device
