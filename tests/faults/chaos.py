"""Everything at once, at random: what may die dies, or stands still, or is full.

And Braze misbehaves meanwhile.
"""

import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from django.db import Error, connection

from engagements.lifecycle import transitions
from engagements.models import Engagement
from externalapi.vendors.braze.sandbox.process import SandboxProcess
from tests.doubles.broker import Broker
from tests.doubles.celery_processes import (
    CeleryProcess,
    beat,
    environment_of_processes,
    off,
    worker,
)
from tests.doubles.commits import Commits
from tests.doubles.postgres import Postgres
from tests.doubles.sessions import read_only, refusing
from tests.faults import invariants, working
from tests.waiting import wait_until

FAULTS: Sequence[Mapping[str, object]] = (
    {"kind": "status", "status": 500},
    {"kind": "status", "status": 503},
    {"kind": "status", "status": 502},
    {"kind": "status", "status": 504},
    {"kind": "status", "status": 400, "body": '{"message": "No."}'},
    {"kind": "status", "status": 413},
    {"kind": "status", "status": 429, "headers": {"Retry-After": "1"}},
    {"kind": "reset_on_headers"},
    {"kind": "reset_before"},
    {"kind": "close_before"},
    {"kind": "reset_after"},
    {"kind": "close_after"},
    {"kind": "cut_body"},
    {"kind": "delay_before", "seconds": 0.3},
    {"kind": "delay_after", "seconds": 0.3},
    {"kind": "hang", "seconds": 3},
    {"kind": "partial_errors", "indexes": [0]},
    {"kind": "error_without_index"},
    {"kind": "malformed_json"},
    {"kind": "empty_body"},
    {"kind": "html_200"},
    {"kind": "queued"},
    {"kind": "slow_body", "seconds": 0.01},
    {"kind": "slow_headers", "seconds": 0.01},
)
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
PEOPLE_IN_A_REQUEST = 15
TWO_HOURS = 7_200.0
LEASE = 3  # of the workers, in seconds


@dataclass(slots=True, kw_only=True)
class Chaos:
    """A run of `engagement` with so many kills, restarts and other blows in it."""

    engagement: Engagement
    sandbox: SandboxProcess
    postgres: Postgres
    broker: Broker
    seed: int
    kills: int
    restarts: int
    # Of each: the broker forgets everything, the database cannot be written to, its
    # disk is full, a worker stands still for longer than a lease, an intent's COMMIT is
    # cut off, and a worker's clock is wrong.
    others: int
    # How long the undisturbed end may take, in seconds.
    patience: float
    chance: random.Random = field(init=False)
    began: float = field(init=False)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)

    @property
    def note(self) -> str:
        return f"SEED={self.seed}"

    def run(self, requests: int) -> None:
        """`requests`: about how many there are, so that the faults last to the end."""
        self.began = time.monotonic()
        for _ in range(0, requests, 500):
            self.sandbox.faults([self._fault() for _ in range(500)])
        with self._beat():
            transitions.activate(self.engagement)
            with self._worker():
                for blow in self._blows():
                    blow()
            with self._worker(), self._worker():
                wait_until(self._ends, f"the end, {self.note}", self.patience)

    def check(self) -> None:
        engagement, sandbox = self.engagement, self.sandbox
        invariants.check(engagement, sandbox, sandbox.key, self.note)
        times = Counter(invariants.received(sandbox).values())
        assert set(times) == {1}, f"somebody got it twice, {self.note}"

    def report(self) -> None:
        seconds = time.monotonic() - self.began
        sys.stdout.write(
            f"\n{self.note}: {self.kills} kills, {self.restarts} restarts of PostgreSQL,"
            f" {self.others} each of {len(self._other_blows())} others"
            f" in {seconds:.0f} s\n"
            f"people: {working.states(self.engagement)}\n"
            f"requests: {working.outcomes(self.engagement)}\n"
        )

    def _fault(self) -> dict[str, object]:
        """One of the faults, and often none."""
        if self.chance.random() < 0.4:
            return {"kind": "pass"}
        return dict(self.chance.choice(FAULTS))

    def _blows(self) -> list[Callable[[], None]]:
        blows = [
            *[self._kill] * self.kills,
            *[self._restart] * self.restarts,
            *self._other_blows() * self.others,
        ]
        self.chance.shuffle(blows)
        return blows

    def _other_blows(self) -> list[Callable[[], None]]:
        return [
            self._flush,
            self._forbid_writing,
            self._fill_the_disk,
            self._stop,
            self._cut_intents,
            self._skew,
        ]

    def _kill(self) -> None:
        """One more worker comes, and dies in the middle of its work."""
        with self._worker() as victim:
            self._wait_for_work()
            time.sleep(self.chance.uniform(0, 0.5))
            victim.kill()

    def _restart(self) -> None:
        self._wait_for_work()
        self.postgres.restart()

    def _flush(self) -> None:
        self._wait_for_work()
        self.broker.client().flushall()

    def _forbid_writing(self) -> None:
        self._wait_for_work()
        with read_only():
            time.sleep(self.chance.uniform(1, 5))

    def _fill_the_disk(self) -> None:
        """Whatever is written next does not fit, as a rule in one table first."""
        self._wait_for_work()
        table = self.chance.choice(["attempt", "delivery", "batch"])
        with refusing(f"engagements_{table}", "true", code="53100"):
            time.sleep(self.chance.uniform(1, 5))

    def _stop(self) -> None:
        """One more worker comes, and stands still in the middle of its work."""
        with self._worker() as zombie:
            self._wait_for_work()
            time.sleep(self.chance.uniform(0, 0.5))
            with zombie.stopped():
                time.sleep(self.chance.uniform(LEASE, 2 * LEASE))
            time.sleep(self.chance.uniform(0, 2))

    def _cut_intents(self) -> None:
        """One more worker comes, who does not hear that its intents are written down."""
        arrive = self.chance.random() < 0.5
        with Commits(times=2, arrive=arrive) as commits:
            with commits.used():
                url = environment_of_processes()["DATABASE_URL"]
            with worker(REDIS_URL=self.broker.url, DATABASE_URL=url):
                wait_until(lambda: self._moves_on(commits), f"an intent, {self.note}")
                time.sleep(self.chance.uniform(0, 2))

    def _skew(self) -> None:
        """One more worker comes, whose clock is two hours off."""
        ahead = self.chance.choice([-1, 1]) * TWO_HOURS
        with off(ahead, REDIS_URL=self.broker.url):
            self._wait_for_work()
            time.sleep(self.chance.uniform(1, 4))

    def _moves_on(self, commits: Commits) -> bool:
        return self._hurry() or commits.seen.is_set()

    def _wait_for_work(self) -> None:
        seen = self.sandbox.traffic()["requests"]
        wait_until(lambda: self._moves(seen), f"work, {self.note}")

    def _moves(self, seen: int) -> bool:
        over = self._hurry()
        return self.sandbox.traffic()["requests"] > seen or over

    def _ends(self) -> bool:
        time.sleep(0.2)
        return self._hurry()

    def _hurry(self) -> bool:
        """Let nobody wait for a next attempt; return whether the run is over."""
        try:
            working.make_due(self.engagement)
            return working.is_over(self.engagement)
        except Error:
            # The database was just restarted.
            connection.close()
            return False

    def _worker(self) -> CeleryProcess:
        return worker(REDIS_URL=self.broker.url)

    def _beat(self) -> CeleryProcess:
        return beat(REDIS_URL=self.broker.url)
