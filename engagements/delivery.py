"""The worker: claim, render, pace, intend, send, record (docs/delivery.md).

The database is the only truth. Each step is one short transaction, the request itself
is in none, and every row of an attempt is written before its first byte leaves. While
some letters are on the wire the next are made.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from django.conf import settings

from engagements import (
    audience,
    breaker,
    claims,
    doorbell,
    outcomes,
    pacing,
    runs,
    workers,
)
from engagements.claims import Claim
from engagements.intent import intend
from engagements.letters import Letter, write
from engagements.senders import Senders
from engagements.survival import insist
from engagements.turns import Trials, in_turn
from segments import inbox
from segments.wakeup import Line

# Batches that are claimed, made into letters and recorded together. A small number
# keeps whoever just entered a segment from waiting behind a long piece of work.
HANDFUL = 32
# With a request's whole deadline after it, it ends before a tick is called late.
BUDGET = timedelta(seconds=25)
# In seconds: how often a drain looks which runs are over.
FINISH_EVERY = 1.0
# A drain waits this long for a batch that is nearly due; the tick finds the others.
LINGER = timedelta(seconds=3)
# Until it looks again whether a version that few try is answered.
TRIAL = timedelta(seconds=0.05)
# While it waits it looks this often at what else came.
GLANCE = 0.02


def drain(
    budget: timedelta = BUDGET,
    call_for_help: Callable[[], None] | None = None,
    line: Line | None = None,
) -> bool:
    """Take in and send until there is nothing, or `budget` is used; True if work remains.

    `call_for_help` is called once when there is more than one worker's handful: each
    worker that comes calls the next, until all are at it. In `line` it stands for those
    who ring meanwhile.
    """
    with Senders() as senders:
        work = _Work(
            senders=senders,
            deadline=time.monotonic() + budget.total_seconds(),
            call_for_help=call_for_help,
            line=line,
        )
        work.go_on()
    runs.finish()
    return has_due_work() or inbox.has_work()


def has_due_work() -> bool:
    due_in = claims.next_due_in()
    return due_in is not None and due_in <= timedelta(0)


@dataclass(slots=True, kw_only=True)
class _Work:
    """One drain: what it has on the wire, and until when it may take more."""

    senders: Senders
    deadline: float
    call_for_help: Callable[[], None] | None
    line: Line | None
    trials: Trials = field(default_factory=Trials)
    is_sending: bool = False
    finished_at: float = field(default_factory=time.monotonic)

    def go_on(self) -> None:
        try:
            while time.monotonic() < self.deadline and self._is_more():
                pass
        finally:
            if self.line:
                self.line.leave()
            # Also where the database stays away: what is on the wire is answered.
            self._record_all()

    def _is_more(self) -> bool:
        if self.line:
            self.line.hold()
        # A claim that is lost with its session is taken back by the reaper.
        is_more = insist(self._round, _lease())
        if is_more or not self.line:
            return is_more
        # Whoever rings from now on wakes somebody; who rang before is found here.
        self.line.leave()
        return insist(self._round, _lease())

    def _round(self) -> bool:
        """Take in, send and record what there is; False when that was all."""
        if workers.is_draining():
            return False
        is_applied = self._take_in()
        self.is_sending = self._send_handful()
        is_busy = is_applied or self.is_sending
        self._record(0 if is_busy else GLANCE)
        self._finish_runs()
        return is_busy or bool(self.senders.in_flight) or self._linger()

    def _take_in(self) -> bool:
        """People who wait: in the inbox, before a segment, in an audience."""
        # Here, and not only in a task of its own: whoever does something on a website
        # must not wait until a large run lets go of a worker.
        size = inbox.SMALL_CHUNK if self.is_sending else inbox.CHUNK
        with doorbell.held():
            is_applied = inbox.apply_some(size)
        return bool(audience.expand(audience.expandable_runs())) or is_applied

    def _send_handful(self) -> bool:
        taken = self._claim()
        if taken and taken[0].is_suspect:
            # If it is this that kills, it must not take those on the wire along.
            self._record_all()
        # People who just entered do not wait until the others' letters are written.
        standing = [held for held in taken if held.is_standing]
        others = [held for held in taken if not held.is_standing]
        sent = sum(self._send(part) for part in (standing, others) if part)
        # Not while a connection is probed: who came to help would find nothing and leave.
        if len(taken) == HANDFUL and sent > pacing.FEW and self.call_for_help:
            self.call_for_help()
            self.call_for_help = None
        return bool(taken)

    def _send(self, taken: Sequence[Claim]) -> int:
        """Put what may go on the wire; return how many requests that are."""
        paced = list(self._pace(list(write(taken))))
        sent = intend(paced) if paced else []
        self.senders.post(sent)
        self.trials.sent(sent)
        going = {letter.batch_id for letter in sent}
        breaker.note([letter for letter in paced if letter.batch_id not in going], [])
        return len(sent)

    def _pace(self, letters: Sequence[Letter]) -> Iterator[Letter]:
        """Let through what the connections' budgets allow; put the rest back unused."""
        by_connection: dict[int, list[Letter]] = defaultdict(list)
        for letter in letters:
            if letter.request is None:
                yield letter
            else:
                by_connection[letter.connection_id].append(letter)
        for connection_id, its_letters in by_connection.items():
            going, waiting = self.trials.choose(in_turn(its_letters))
            first = sum(letter.run.is_standing for letter in going)
            own = [letter.batch_id for letter in its_letters]
            permits = pacing.take(connection_id, first, len(going) - first, own)
            if permits.is_probe:
                breaker.await_answer(connection_id)
            yield from going[: permits.granted]
            back = [letter.claim for letter in going[permits.granted :]]
            claims.put_back(back, permits.wait)
            claims.put_back([letter.claim for letter in waiting], TRIAL)

    def _claim(self) -> list[Claim]:
        """A handful; where the wire is full, only people who just entered a segment."""
        if self.senders.room >= HANDFUL:
            return claims.claim(HANDFUL)
        return claims.claim(self.senders.room, only_standing=True)

    def _record(self, wait: float) -> None:
        results = self.senders.results(wait)
        if results:
            # The other side has answered: what is not written down now would be in
            # doubt for ever.
            insist(lambda: outcomes.record(results), _lease())
            breaker.note([result.letter for result in results], results)
            self.trials.answered(results)

    def _record_all(self) -> None:
        while self.senders.in_flight:
            self._record(GLANCE)

    def _finish_runs(self) -> None:
        # A small run is over before the large one beside it is.
        if time.monotonic() > self.finished_at + FINISH_EVERY:
            runs.finish()
            self.finished_at = time.monotonic()

    def _linger(self) -> bool:
        """Wait a moment for a batch that is nearly due; False when there is none."""
        due_in = claims.next_due_in()
        if due_in is None or due_in > LINGER:
            return False
        time.sleep(min(max(due_in.total_seconds(), 0.001), GLANCE))
        return True


def _lease() -> float:
    return float(settings.DELIVERY_LEASE.total_seconds())
