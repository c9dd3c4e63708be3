"""Requests on the wire: many at once, and none of them waits for another.

On connections that are open already one thread, the worker's own, has them all. Who
opens a connection, or has more to write than it takes at once, waits in a thread that
does nothing else.
"""

import selectors
import socket
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from types import TracebackType
from typing import Self

from engagements.delivery import claims
from engagements.outbox.prepared_request import PreparedRequest, Result
from externalapi.http import client
from externalapi.http.client import Answer, Pending
from lemnisk_braze.lib.logs import get_logger

logger = get_logger(__name__)

# Requests that one worker has on the wire together: what a crash of it can put in doubt.
AT_ONCE = 64
# Answers that come within this time are written down together, if so many come.
GATHER = 0.008
GATHERED = 32
CHUNK = 4_096


class Transport:
    """What one worker has on the wire. Leaving the block ends what is still there.

    All of it is for the worker's own thread; the others only put results in.
    """

    def __init__(self) -> None:
        self.in_flight = 0
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="sender")
        self._results: SimpleQueue[Result] = SimpleQueue()
        self._selector = selectors.DefaultSelector()
        # A thread that has a result wakes whoever looks at the connections.
        self._woken, self._waker = socket.socketpair()
        self._woken.setblocking(False)
        self._waker.setblocking(False)
        self._selector.register(self._woken, selectors.EVENT_READ)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._pool.shutdown()
        for key in list(self._selector.get_map().values()):
            if isinstance(key.fileobj, Pending):
                with suppress(client.TransportError):
                    key.fileobj.end()
        self._selector.close()
        self._woken.close()
        self._waker.close()

    @property
    def room(self) -> int:
        """How many more may be posted now."""
        return AT_ONCE - self.in_flight

    def post(
        self, requests: Sequence[PreparedRequest], until: float = float("inf")
    ) -> Sequence[PreparedRequest]:
        """Put requests on the wire; return those whose turn was over before.

        `until` (claims.clock) is how long anybody's turn is, a lease no longer than it
        lasts: a process may be stopped at any place.
        """
        for n, prepared in enumerate(requests):
            if claims.clock() > min(until, prepared.claim.until):
                return requests[n:]
            self.in_flight += 1
            try:
                self._post(prepared)
            except Exception as e:  # noqa: BLE001
                self._results.put(_failed(prepared, e))
        return ()

    def _post(self, prepared: PreparedRequest) -> None:
        assert prepared.request is not None
        pending = client.begin(prepared.request, prepared.key)
        if pending is None:
            self._pool.submit(self._in_thread, prepared, partial(_open, prepared))
        else:
            self._watch(pending, prepared)

    def results(self, wait: float) -> list[Result]:
        """The answers that are in; where none is, the first within `wait` seconds.

        Those that follow at once come along: one transaction writes them all down.
        """
        found: list[Result] = []
        until = time.monotonic() + wait
        while len(found) < min(self.in_flight, GATHERED):
            is_first = not found
            left = until - time.monotonic() if self._results.empty() else 0
            self._look(max(left, 0))
            while not self._results.empty():
                found.append(self._results.get())
            if time.monotonic() >= until:
                break
            if found and is_first:
                until = min(until, time.monotonic() + GATHER)
        self.in_flight -= len(found)
        return found

    def _look(self, wait: float) -> None:
        """Pick up the answers that are here, the first within `wait` seconds."""
        for key, _ in self._selector.select(wait):
            if isinstance(key.fileobj, Pending):
                self._advance(key.fileobj, key.data)
            else:
                self._woken.recv(CHUNK)
        for key in list(self._selector.get_map().values()):
            if isinstance(key.fileobj, Pending) and key.fileobj.is_late:
                self._selector.unregister(key.fileobj)
                self._results.put(_result(key.data, key.fileobj.end))

    def _advance(self, pending: Pending, prepared: PreparedRequest) -> None:
        self._selector.unregister(pending)
        try:
            if answer := pending.poll():
                self._results.put(Result.of_answer(prepared, answer))
            else:
                self._watch(pending, prepared)
        except Exception as e:  # noqa: BLE001
            self._results.put(_failed(prepared, e))

    def _watch(self, pending: Pending, prepared: PreparedRequest) -> None:
        # What is not written whole, or has no connection yet, has to wait somewhere else.
        if pending.is_written:
            self._selector.register(pending, selectors.EVENT_READ, prepared)
        else:
            self._pool.submit(self._in_thread, prepared, pending.finish)

    def _in_thread(self, prepared: PreparedRequest, ask: Callable[[], Answer]) -> None:
        self._results.put(_result(prepared, ask))
        # A full socket has woken it already.
        with suppress(BlockingIOError):
            self._waker.send(b".")


def send(prepared: PreparedRequest) -> Result:
    """Put one request on the wire, wait, and return what came back."""
    assert prepared.request is not None
    return _result(prepared, partial(client.send, prepared.request, prepared.key))


def _open(prepared: PreparedRequest) -> Answer:
    """Send over a connection that is not open yet, if it is still the request's turn."""
    assert prepared.request is not None
    if claims.clock() > prepared.claim.until:
        raise client.NotSentError("The worker's lease was over before the first byte.")
    return client.send(prepared.request, prepared.key)


def _result(prepared: PreparedRequest, ask: Callable[[], Answer]) -> Result:
    try:
        return Result.of_answer(prepared, ask())
    except Exception as e:  # noqa: BLE001
        return _failed(prepared, e)


def _failed(prepared: PreparedRequest, error: Exception) -> Result:
    """The result of a request without an answer, whatever the reason.

    With none at all the worker would wait for it for ever.
    """
    if not isinstance(error, client.TransportError):
        logger.error(
            "attempt.failed",
            attempt_id=prepared.attempt_id,
            batch_id=prepared.batch_id,
            exc_info=error,
        )
        error = client.AmbiguousError(
            f"Sending failed by a mistake of ours: {type(error).__name__}: {error}"
        )
    return Result.of_error(prepared, error)
