"""Which worker processes there are, and which of them are asked to end."""

import os
import signal
import socket
import time
import uuid
from collections.abc import Iterable
from contextlib import suppress
from datetime import timedelta
from functools import cache

from django.conf import settings
from django.db import Error, connection
from django.db.models.functions import Now

from engagements.models import Attempt, Batch, Worker
from lemnisk_braze.lib import database_clock
from lemnisk_braze.lib.database_errors import in_words, sqlstate
from lemnisk_braze.lib.logs import get_logger

logger = get_logger(__name__)

# How often a process that is at work says so, and looks whether it shall end.
EVERY = 2.0
# In seconds: an answer that came sooner says well enough what time it is there.
QUICK = 0.1
REPORT_EVERY = 1.0
# A row of a process that nobody has heard of for so long is dropped.
FORGOTTEN = timedelta(days=1)

# A process that the Celery worker forked after the drain was asked for drains as well.
CHECK_IN = """
    INSERT INTO engagements_worker AS w
        (name, node, mark, started_at, seen_at, drain_asked_at, clock_ahead)
    SELECT %(name)s, %(node)s, %(mark)s, clock_timestamp(), clock_timestamp(), (
        SELECT max(drain_asked_at) FROM engagements_worker WHERE node = %(node)s),
        %(ahead)s
    ON CONFLICT (name) DO UPDATE SET seen_at = clock_timestamp(), node = %(node)s,
        mark = %(mark)s,
        drain_asked_at = CASE WHEN w.node = %(node)s THEN w.drain_asked_at END,
        clock_ahead = excluded.clock_ahead
    RETURNING drain_asked_at IS NOT NULL
"""

# Of the process with a mark: its name, and whether one of its machine was heard of.
WHO = """
    SELECT name, EXISTS (
        SELECT FROM engagements_worker other
        WHERE split_part(other.name, ':', 1) = split_part(w.name, ':', 1)
          AND other.seen_at > clock_timestamp() - make_interval(secs => %s)
    ) FROM engagements_worker w WHERE mark = %s
"""

# The Celery worker's own name and process; its pool's processes inherit them by fork.
_node = ""
_main_pid = 0
_checked_at = float("-inf")
_reported_at = float("-inf")
_drains = False


def begin(hostname: str) -> None:
    """Call it in the Celery worker's main process, before it has any others."""
    global _node, _main_pid
    _main_pid = os.getpid()
    _node = f"{hostname}:{_main_pid}"


def process_name() -> str:
    """This process on this host, as the attempts name it."""
    return f"{socket.gethostname()}:{os.getpid()}"


@cache
def mark() -> str:
    """What the tokens of this process's leases begin with, unlike any other's."""
    return uuid.uuid4().hex[:8]


# A forked worker is another one than its parent.
os.register_at_fork(after_in_child=mark.cache_clear)


def has_ended(mark: str) -> bool:
    """Whether the process with this mark is known to have ended.

    On this machine the system knows. Of another one we only know that nobody there was
    heard of for a whole lease. A process that is stopped, or is kept from the database,
    has not ended.
    """
    lease = settings.DELIVERY_LEASE.total_seconds()
    with connection.cursor() as cursor:
        cursor.execute(WHO, [lease, mark])
        row = cursor.fetchone()
    # Whoever has its name now has come after it.
    if row is None:
        return True
    name, is_machine_there = row
    return not (_is_running(name) if _is_here(name) else is_machine_there)


def _is_here(name: str) -> bool:
    return name.rpartition(":")[0] == socket.gethostname()


def _is_running(name: str) -> bool:
    try:
        os.kill(int(name.rpartition(":")[2]), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _strike_off() -> None:
    """Drop the rows of this machine's processes that are not there any more."""
    host = f"{socket.gethostname()}:"
    names = Worker.objects.filter(name__startswith=host).values_list("name", flat=True)
    Worker.objects.filter(name__in=[n for n in names if not _is_running(n)]).delete()


def is_draining() -> bool:
    """Whether this process shall take no more; asks the database every EVERY seconds.

    The first time that it is so, the Celery worker is told to end: it finishes what
    its processes have in hand, and eats no further wake-ups meanwhile.
    """
    global _checked_at, _drains
    if time.monotonic() < _checked_at + EVERY:
        return _drains
    _drains = _check_in()
    _checked_at = time.monotonic()
    if _drains and _main_pid:
        os.kill(_main_pid, signal.SIGTERM)
    return _drains


def _check_in() -> bool:
    if _checked_at == float("-inf"):
        # Where a process has ended another takes its place: this one, maybe.
        _strike_off()
    name = process_name()
    who = {"name": name, "node": _node or name, "mark": mark()}
    with connection.cursor() as cursor:
        cursor.execute(CHECK_IN, {**who, "ahead": _clock_ahead()})
        return bool(cursor.fetchone()[0])


def _clock_ahead() -> float:
    """By how many seconds this machine's clock is ahead of the database's.

    Measured as NTP does: half way between question and answer, which is off by half of
    the time between them at most. On a busy machine the quickest of three counts.
    """
    measured = []
    for _ in range(3):
        asked = time.time()
        at = database_clock.now().timestamp()
        took = time.time() - asked
        measured.append((took, asked + took / 2 - at))
        if took < QUICK:
            break
    return min(measured)[1]


def report(error: Exception, shown: str = "") -> None:
    """Raise an alarm: this process goes on, but not with what needs somebody to look.

    Once a second at most, however often it comes. `shown`: its words, where they name
    nobody.
    """
    global _reported_at
    if time.monotonic() < _reported_at + REPORT_EVERY:
        return
    _reported_at = time.monotonic()
    logger.error("worker.mistake", exc_info=error)
    # The words of an error of ours may name somebody.
    words = in_words(error)[:500] if sqlstate(error) else shown or type(error).__name__
    # Where even that cannot be written down, the log has it.
    with suppress(Error):
        name = process_name()
        Worker.objects.update_or_create(
            name=name,
            defaults={"problem": words, "problem_at": Now()},
            create_defaults={
                "node": _node or name,
                "mark": mark(),
                "problem": words,
                "problem_at": Now(),
            },
        )


def take_no_more(error: Exception) -> None:
    """Say what keeps this worker from its work, and let it end as if asked to drain."""
    global _checked_at, _drains
    report(error, str(error))
    drain([_node or process_name()])
    _drains, _checked_at = True, time.monotonic()
    if _main_pid:
        os.kill(_main_pid, signal.SIGTERM)


def named(text: str) -> list[str]:
    """The names of workers that `text` is, or begins, or is the host or process of."""
    rows = list(Worker.objects.values_list("node", "name"))
    exact = {node for node, name in rows if text in (node, name)}
    if exact:
        return sorted(exact)
    return sorted(
        {node for node, name in rows if text and (text in node or text in name)}
    )


def drain(nodes: Iterable[str]) -> int:
    """Ask workers to finish what they have and take no more; return how many processes.

    They look between two claims, at the latest when they are next woken.
    """
    waiting = Worker.objects.filter(node__in=list(nodes), drain_asked_at=None)
    return waiting.update(drain_asked_at=Now())


def forget() -> int:
    """Drop the rows of processes that have long gone."""
    gone = Worker.objects.filter(seen_at__lt=Now() - FORGOTTEN)
    return gone.delete()[0]


def people_in_hand(nodes: Iterable[str]) -> int:
    """How many people these workers' processes are about to send."""
    names = Worker.objects.filter(node__in=list(nodes)).values("name")
    return Batch.objects.filter(
        attempts__worker__in=names,
        attempts__outcome=Attempt.Outcome.UNFINISHED,
        state=Batch.State.SENDING,
    ).people()
