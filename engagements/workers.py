"""Which worker processes there are, and which of them are asked to end."""

import os
import signal
import socket
import time
from collections.abc import Iterable
from datetime import timedelta

from django.db import connection
from django.db.models.functions import Now

from engagements.models import Attempt, Batch
from engagements.operations.models import Worker

# How often a process that is at work says so, and looks whether it shall end.
EVERY = 2.0
# A row of a process that nobody has heard of for so long is dropped.
FORGOTTEN = timedelta(days=1)

# A process that the Celery worker forked after the drain was asked for drains as well.
CHECK_IN = """
    INSERT INTO engagements_worker AS w
        (name, node, started_at, seen_at, drain_asked_at)
    SELECT %(name)s, %(node)s, clock_timestamp(), clock_timestamp(), (
        SELECT max(drain_asked_at) FROM engagements_worker WHERE node = %(node)s)
    ON CONFLICT (name) DO UPDATE SET seen_at = clock_timestamp(), node = %(node)s,
        drain_asked_at = CASE WHEN w.node = %(node)s THEN w.drain_asked_at END
    RETURNING drain_asked_at IS NOT NULL
"""

# The Celery worker's own name and process; its pool's processes inherit them by fork.
_node = ""
_main_pid = 0
_checked_at = float("-inf")
_drains = False


def begin(hostname: str) -> None:
    """Call it in the Celery worker's main process, before it has any others."""
    global _node, _main_pid
    _main_pid = os.getpid()
    _node = f"{hostname}:{_main_pid}"


def process_name() -> str:
    """This process on this host, as the attempts name it."""
    return f"{socket.gethostname()}:{os.getpid()}"


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
    name = process_name()
    with connection.cursor() as cursor:
        cursor.execute(CHECK_IN, {"name": name, "node": _node or name})
        return bool(cursor.fetchone()[0])


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

    They look between two handfuls, at the latest when they are next woken.
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
