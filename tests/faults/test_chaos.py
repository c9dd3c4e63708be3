"""Workers that are killed at random while Braze misbehaves at random."""

import random
import time
from collections import Counter
from collections.abc import Mapping, Sequence

import pytest

from engagements import lifecycle
from tests import factories
from tests.faults import drains, invariants
from tests.faults.workers import beat, wait_until, worker

pytestmark = pytest.mark.django_db(transaction=True)

PEOPLE = 3_000
KILLS = 4
# A random one each time, so that a failure is new; its text says which to set here.
SEED = random.SystemRandom().randrange(1_000_000)

FAULTS: Sequence[Mapping[str, object]] = (
    {"kind": "pass"},
    {"kind": "status", "status": 500},
    {"kind": "status", "status": 503},
    {"kind": "status", "status": 502},
    {"kind": "status", "status": 504},
    {"kind": "status", "status": 400, "body": '{"message": "No."}'},
    {"kind": "status", "status": 413},
    {"kind": "status", "status": 429, "headers": {"Retry-After": "1"}},
    {"kind": "reset_on_headers"},
    {"kind": "reset_before"},
    {"kind": "reset_after"},
    {"kind": "close_after"},
    {"kind": "cut_body"},
    {"kind": "delay_after", "seconds": 0.3},
    {"kind": "partial_errors", "indexes": [0]},
    {"kind": "malformed_json"},
    {"kind": "queued"},
    {"kind": "slow_body", "seconds": 0.01},
)


def test_nobody_is_lost_and_nobody_is_sent_twice(draft, sandbox, braze):
    chance = random.Random(SEED)
    engagement = draft(
        PEOPLE, version=factories.make_version(body=BODY, connection=braze)
    )
    note = f"SEED = {SEED}"
    sandbox.faults([script(chance) for _ in range(150)])
    with beat():
        lifecycle.activate(engagement)
        for _ in range(KILLS):
            with worker() as victim:
                seen = sandbox.traffic()["requests"]
                wait_until(
                    lambda seen=seen: moves(engagement, sandbox, seen), f"work, {note}"
                )
                time.sleep(chance.uniform(0, 0.5))
                victim.kill()
        with worker(), worker():
            wait_until(lambda: ends(engagement), f"the end of the run, {note}", 90)

    invariants.check(engagement, sandbox, sandbox.key, note)
    assert Counter(invariants.received(sandbox)).most_common(1)[0][1] == 1, note


# Five objects a person, so 15 people and not 75 go into a request.
BODY = {
    "attributes": [
        {
            "external_id": "{{User ID}}",
            "first_name": "{{Name of the User}}",
            "plan": "{{Plan}}",
        }
    ],
    "events": [
        {"external_id": "{{User ID}}", "name": name, "time": "2026-01-01T00:00:00Z"}
        for name in ("seen", "opened", "read", "closed")
    ],
}


def script(chance: random.Random) -> dict[str, object]:
    """One of the faults, and often none."""
    return dict(FAULTS[0] if chance.random() < 0.4 else chance.choice(FAULTS))


def moves(engagement, sandbox, seen: int) -> bool:
    drains.make_due(engagement)
    return sandbox.traffic()["requests"] > seen or drains.is_over(engagement)


def ends(engagement) -> bool:
    """Whether it is over; what waits to be tried again need not."""
    drains.make_due(engagement)
    time.sleep(0.2)
    return drains.is_over(engagement)
