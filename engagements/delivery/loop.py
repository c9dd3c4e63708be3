"""The worker: claim, render, pace, intend, send, record (docs/delivery.md).

The database is the only truth. Each step is one short transaction, the request itself
is in none, and every row of an attempt is written before its first byte leaves. While
some requests are on the wire the next are made.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeVar

from django.conf import settings

from engagements.audience import expansion, sent
from engagements.delivery import attempt_log, claims, give_back, journal, outcomes
from engagements.delivery.attempts import intend, still_going
from engagements.delivery.claims import clock
from engagements.delivery.journal import Journal
from engagements.delivery.transport import Transport
from engagements.delivery.writing import write
from engagements.lifecycle import completion
from engagements.outbox import workers
from engagements.outbox.claim import Claim
from engagements.outbox.prepared_request import PreparedRequest, Result
from engagements.throttling import circuit_breaker, rate_limit
from engagements.throttling.fairness import Trials, in_turn
from lemnisk_braze.lib.database_errors import About, about, in_words
from lemnisk_braze.lib.database_retry import FOREVER, flush, insist
from lemnisk_braze.lib.logs import get_logger
from lemnisk_braze.lib.wakeup import Wakeup
from segments.ingest import inbox

logger = get_logger(__name__)

# Batches that are claimed, made into requests and recorded together. A small number
# keeps whoever just entered a segment from waiting behind a long piece of work.
CLAIM_SIZE = 32
# With a request's whole deadline after it, it ends before a tick is called late.
BUDGET = timedelta(seconds=25)
# In seconds: how often a worker looks which runs are over.
FINISH_EVERY = 1.0
# A worker waits this long for a batch that is nearly due; the tick finds the others.
LINGER = timedelta(seconds=3)
# Until it looks again whether a version that few try is answered.
TRIAL = timedelta(seconds=0.05)
# While it waits it looks this often at what else came.
GLANCE = 0.02
# In seconds: so long after a message a worker waits for the next, and looks so often.
# Whoever came for each would begin and end more than it takes in, beside the others.
NEXT_MESSAGE = 0.1
MESSAGE_GLANCE = 0.004
# In seconds: after so long nobody can say any more that what was intended may still go.
FRESH = 1.0
# What fails by a mistake of ours waits so long until it is tried again.
LATER = timedelta(seconds=15)

T = TypeVar("T", Claim, PreparedRequest)
R = TypeVar("R")


def work(
    budget: timedelta = BUDGET,
    call_for_help: Callable[[], None] | None = None,
    own_wakeup: Wakeup | None = None,
) -> bool:
    """Take in and send until there is nothing, or `budget` is used; True if work remains.

    `call_for_help` is called once when there is more than one worker's claim: each
    worker that comes calls the next, until all are at it. While it is at work nobody is
    woken by `own_wakeup`.
    """
    journal.replay_now_and_then()
    with Transport() as transport, Journal() as own:
        at_hand = _Work(
            transport=transport,
            journal=own,
            deadline=time.monotonic() + budget.total_seconds(),
            call_for_help=call_for_help,
            own_wakeup=own_wakeup,
        )
        at_hand.go_on()
    completion.finish()
    sent.follow()
    if has_due_work() or inbox.has_work():
        return True
    # Whoever entered after the last look woke nobody: this worker was at work.
    is_cut_short = at_hand.is_over or workers.is_draining()
    return is_cut_short and bool(expansion.expandable_runs())


def has_due_work() -> bool:
    due_in = claims.next_due_in()
    return due_in is not None and due_in <= timedelta(0)


@dataclass(slots=True, kw_only=True)
class _Work:
    """One call of `work`: what it has on the wire, and until when it may take more."""

    transport: Transport
    journal: Journal
    deadline: float
    call_for_help: Callable[[], None] | None
    own_wakeup: Wakeup | None
    trials: Trials = field(default_factory=Trials)
    is_sending: bool = False
    finished_at: float = field(default_factory=time.monotonic)
    # When it saw what somebody sent, and that was its own to take in; and whether another
    # was just at it.
    came_at: float = float("-inf")
    is_lane_taken: bool = False
    # Batches that were claimed, and that no other hand has and no wire.
    held: dict[int, Claim] = field(default_factory=dict)
    # Answers that are not written down yet.
    heard: list[Result] = field(default_factory=list)
    # Answers that cannot be written down, by a mistake of ours.
    kept: list[Result] = field(default_factory=list)
    # Answers that are written down, and that a crash of the database may still forget.
    in_memory: list[Result] = field(default_factory=list)
    is_repeat_due: bool = False

    def go_on(self) -> None:
        try:
            while not self.is_over and self._is_more():
                pass
        finally:
            if self.own_wakeup:
                self.own_wakeup.leave()
            # However long the database stays away: what is on the wire is answered, and
            # of what is not, nobody else could know it.
            self._record_all()
            self._outlive(self._give_back)

    @property
    def is_over(self) -> bool:
        """Whether its time is used up."""
        return time.monotonic() >= self.deadline

    def _is_more(self) -> bool:
        if self.own_wakeup:
            self.own_wakeup.hold()
        # A claim that is lost with its session is taken back by the reaper.
        is_more = self._outlive(self._round, _lease())
        if is_more or not self.own_wakeup:
            return is_more
        # Whoever publishes from now on wakes somebody; who did before is found here.
        return self.own_wakeup.leave() and self._outlive(self._round, _lease())

    def _outlive(self, action: Callable[[], R], seconds: float = FOREVER) -> R:
        """Insist on an action; after an outage what may be forgotten is repeated."""

        def repeated() -> R:
            if self.is_repeat_due:
                rest = outcomes.record(self.in_memory)
                forgotten, self.in_memory = self.in_memory, []
                self._part(forgotten, rest)
                self.is_repeat_due = False
            return action()

        return insist(repeated, seconds, self._on_loss)

    def _on_loss(self) -> None:
        self.is_repeat_due = bool(self.in_memory)
        # Answers come meanwhile too, and this process may not live until it is back.
        self._hear(0)

    def _round(self) -> bool:
        """Take in, send and record what there is; False when that was all."""
        self._give_back()
        if workers.is_draining():
            return False
        is_applied = _try(self._apply)
        is_applied |= _try(self._expand)
        self.is_sending = _try(self._send_claimed)
        is_busy = is_applied or self.is_sending
        self._record(0 if is_busy else GLANCE)
        _try(self._finish_runs)
        return is_busy or bool(self.transport.in_flight) or self._linger()

    def _apply(self) -> bool:
        """Take in what waits in the inbox, and before a segment."""
        # Here, and not only in a task of its own: whoever does something on a website
        # must not wait until a large run lets go of a worker.
        size = inbox.SMALL_CHUNK if self.is_sending else inbox.CHUNK
        is_waiting = inbox.has_work(self._patience)
        is_applied = is_waiting and inbox.apply_next(size)
        self.is_lane_taken = is_waiting and not is_applied
        if is_applied or (is_waiting and self._is_first):
            self.came_at = time.monotonic()
        return is_applied

    @property
    def _is_first(self) -> bool:
        """Whether what comes is this worker's to take in."""
        # Who sends may find the first sending, too, and a visitor waiting.
        return self.is_sending or not self.own_wakeup or self.own_wakeup.is_first

    @property
    def _patience(self) -> float:
        """For how many seconds a message has waited that this worker takes in."""
        # Two in turns would wait for each other.
        return 0 if self._is_first else inbox.TAKE_OVER

    def _expand(self) -> bool:
        return bool(expansion.expand(expansion.expandable_runs()))

    def _send_claimed(self) -> bool:
        taken = self._claim()
        if taken and taken[0].is_suspect:
            # If it is this that kills, it must not take those on the wire along.
            self._record_all()
        # People who just entered do not wait until the others' requests are written.
        standing = [held for held in taken if held.is_standing]
        others = [held for held in taken if not held.is_standing]
        gone = sum(self._send(part) for part in (standing, others) if part)
        # The others wait again, or have come to their end.
        self.held.clear()
        # Not while a connection is probed: who came to help would find nothing and leave.
        if len(taken) == CLAIM_SIZE and gone > rate_limit.FEW and self.call_for_help:
            self.call_for_help()
            self.call_for_help = None
        return bool(taken)

    def _send(self, taken: Sequence[Claim]) -> int:
        """Put what may go on the wire; return how many batches that is the end of here.

        They are on the wire, or nobody in them is to be sent anything now.
        """
        requests = self._apart(lambda claims: list(write(claims)), taken)
        paced = list(self._pace(requests))
        asked_at = clock()
        intended = self._apart(intend, paced)
        if intended:
            attempt_log.intended(intended)
            # Its COMMIT waited for the disk, behind everything before.
            self._forget()
        sent = self._post(intended, asked_at)
        self.trials.sent(sent)
        ids = {prepared.batch_id for prepared in sent}
        circuit_breaker.note(
            [prepared for prepared in paced if prepared.batch_id not in ids], []
        )
        return len(sent) + sum(prepared.request is None for prepared in paced)

    def _apart(
        self, work: Callable[[Sequence[T]], list[PreparedRequest]], things: Sequence[T]
    ) -> list[PreparedRequest]:
        """What comes of batches, whether claims or requests.

        What cannot be worked with is found by halves, and does not keep the others.
        """
        try:
            return work(things) if things else []
        except Exception as e:
            if about(e) is About.CONNECTION:
                raise
            if len(things) == 1:
                self._set_aside(things[0], e)
                return []
        half = len(things) // 2
        return self._apart(work, things[:half]) + self._apart(work, things[half:])

    def _post(
        self, requests: Sequence[PreparedRequest], asked_at: float
    ) -> list[PreparedRequest]:
        """Put on the wire what may still go; return it.

        Where this process was held up since it asked, it asks again: meanwhile somebody
        may have paused the engagement.
        """
        going, sent = list(requests), list[PreparedRequest]()
        while going:
            rest = self.transport.post(going, asked_at + FRESH)
            on_the_wire = going[: len(going) - len(rest)]
            for prepared in on_the_wire:
                self.held.pop(prepared.batch_id, None)
            sent += on_the_wire
            asked_at = clock()
            going = still_going(rest) if rest else []
        late = [x.claim for x in requests if x.batch_id in self.held]
        if late:
            give_back.give_back(late)
        return sent

    def _set_aside(self, thing: Claim | PreparedRequest, error: Exception) -> None:
        """A batch that cannot be sent, whose fault it may be."""
        held = thing.claim if isinstance(thing, PreparedRequest) else thing
        is_its_own = about(error) is About.ROW and held.batch_id in self.held
        if is_its_own and outcomes.isolate(held, in_words(error)):
            logger.warning(
                "batch.unsendable",
                batch_id=held.batch_id,
                run_id=held.run_id,
                exc_info=error,
            )
            return
        workers.report(error)
        if held.batch_id in self.held:
            give_back.give_back([held], LATER)

    def _give_back(self) -> None:
        """Let what was claimed and not sent wait again: an intent failed, or was late."""
        if self.held:
            give_back.give_back(list(self.held.values()))
            self.held.clear()

    def _pace(self, requests: Sequence[PreparedRequest]) -> Iterator[PreparedRequest]:
        """Let through what the connections' budgets allow; put the rest back unused."""
        by_connection: dict[int, list[PreparedRequest]] = defaultdict(list)
        for prepared in requests:
            if prepared.request is None:
                yield prepared
            else:
                by_connection[prepared.connection_id].append(prepared)
        for connection_id, its_requests in by_connection.items():
            going, waiting = self.trials.choose(in_turn(its_requests))
            first = sum(prepared.run.is_standing for prepared in going)
            own = [prepared.batch_id for prepared in its_requests]
            permits = rate_limit.take(connection_id, first, len(going) - first, own)
            if permits.is_probe:
                circuit_breaker.await_answer(connection_id)
            yield from going[: permits.granted]
            back = [prepared.claim for prepared in going[permits.granted :]]
            claims.put_back(back, permits.wait)
            claims.put_back([prepared.claim for prepared in waiting], TRIAL)

    def _claim(self) -> list[Claim]:
        """A claim; where the wire is full, only people who just entered a segment."""
        if not self.is_sending and not claims.may_be_any():
            return []
        is_full = self.transport.room < CLAIM_SIZE
        limit = self.transport.room if is_full else CLAIM_SIZE
        taken = claims.claim(limit, only_standing=is_full)
        self.held = {held.batch_id: held for held in taken}
        return taken

    def _record(self, wait: float) -> None:
        self._hear(wait)
        if self.heard:
            # The other side has answered: what is not written down would be in doubt
            # for ever, or sent twice.
            rest = self._outlive(lambda: outcomes.record(self.heard))
            results, self.heard = self.heard, []
            self._part(results, rest)
            _try(lambda: self._heed(results))

    def _hear(self, wait: float) -> None:
        results = self.transport.results(0 if self.heard else wait)
        self.heard += results
        # Before anything else is done: this process may be killed at any place.
        self.journal.keep(results)
        attempt_log.answered(results)

    def _forget(self) -> None:
        """Everything that is written down is on the database's disk."""
        self.in_memory.clear()
        if not (self.heard or self.kept):
            self.journal.forget()

    def _heed(self, results: Sequence[Result]) -> bool:
        """What the answers say of the connections, which is not worth waiting for."""
        self.trials.answered(results)
        try:
            circuit_breaker.note([result.prepared for result in results], results)
        except Exception as e:
            if about(e) is not About.CONNECTION:
                raise
            logger.warning("database.away", because=e)
        return True

    def _record_all(self) -> None:
        while self.transport.in_flight or self.heard:
            self._record(GLANCE)
        deadline = time.monotonic() + _lease()
        while self.kept and time.monotonic() < deadline:
            time.sleep(FINISH_EVERY)
            self._record_kept()
        if self.kept:
            logger.error(
                "attempt.unrecorded",
                attempt_ids=[result.prepared.attempt_id for result in self.kept],
            )
        if self.in_memory:
            self._outlive(flush)
            self._forget()

    def _record_kept(self) -> None:
        kept, self.kept = self.kept, []
        self._part(kept, self._outlive(lambda: outcomes.record(kept)))

    def _part(self, results: Sequence[Result], rest: Sequence[Result]) -> None:
        """Keep of these results the rest, which could not be written down, as such."""
        ids = {result.prepared.attempt_id for result in rest}
        self.in_memory += [r for r in results if r.prepared.attempt_id not in ids]
        self.kept += rest

    def _finish_runs(self) -> bool:
        # A small run is over before the large one beside it is.
        if time.monotonic() > self.finished_at + FINISH_EVERY:
            self.finished_at = time.monotonic()
            self._record_kept()
            completion.finish()
        return False

    def _linger(self) -> bool:
        """Wait a moment for what is nearly due, a batch or a line; False: there is none."""
        due = claims.next_due_in(), expansion.next_due_in()
        due_in = min((one for one in due if one is not None), default=None)
        if due_in is None or due_in > LINGER:
            return self._is_message_next()
        time.sleep(min(max(due_in.total_seconds(), 0.001), GLANCE))
        return True

    def _is_message_next(self) -> bool:
        """Wait a moment for the next message, where one has just come."""
        until = self.came_at + NEXT_MESSAGE if self.own_wakeup else float("-inf")
        if self.is_lane_taken and time.monotonic() < until:
            # Who has it takes in all that waits.
            time.sleep(GLANCE)
        while time.monotonic() < until:
            if inbox.has_work(self._patience):
                return True
            time.sleep(MESSAGE_GLANCE)
        return False


def _try(step: Callable[[], bool]) -> bool:
    """What a step says; False where it failed by a mistake that stops no other step."""
    try:
        return step()
    except Exception as e:
        if about(e) is About.CONNECTION:
            raise
        workers.report(e)
        return False


def _lease() -> float:
    return float(settings.DELIVERY_LEASE.total_seconds())
