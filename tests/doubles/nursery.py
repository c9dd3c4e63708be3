"""Celery's processes begin here: forked from one that has all modules in memory.

Loading those is most of what a worker does that a test soon kills. The first has the
libraries alone. Our own modules read the settings, and these the environment: for each
environment there is a second, forked from the first, which has loaded them in it.
"""

import atexit
import gc
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from select import select
from typing import IO, NoReturn

ROOT = Path(__file__).parents[2]
# None of them reads the environment, or Django's settings, when it is imported.
LIBRARIES = (
    *("celery.apps.beat", "celery.apps.worker", "celery.bin.celery"),
    *("celery.concurrency.prefork", "celery.worker.consumer", "kombu.transport.redis"),
    *("cryptography.fernet", "django.core.management", "django.core.validators"),
    *("django.db.backends.postgresql.base", "django.db.models", "django.forms"),
    *("django.template.defaulttags", "django.test.client", "django.views.generic"),
    *("environ", "httptools", "liquid", "orjson", "phonenumbers", "psycopg_pool"),
    *("structlog",),
)
# A request is a datagram: a program's arguments and its environment.
LONGEST = 1 << 18
# Of so many environments ours are kept in memory: tests mostly share one.
KEPT = 4
# A process's clock is set wrong when it begins: no module of ours reads it before.
CLOCK = Path(__file__).with_name("clocks") / "sitecustomize.py"
OF_THE_CLOCK = ("CLOCK_AHEAD", "PYTHONPATH")


class Child:
    """A process of the nursery, as `subprocess.Popen` would show it."""

    def __init__(self, status: IO[bytes]) -> None:
        self._status = status
        self.pid = int(status.readline())
        self.returncode: int | None = None

    def poll(self) -> int | None:
        if self.returncode is None and select([self._status], [], [], 0)[0]:
            self.returncode = int(self._status.readline())
            self._status.close()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None and not select([self._status], [], [], timeout)[0]:
            raise subprocess.TimeoutExpired("celery", timeout or 0)
        code = self.poll()
        assert code is not None
        return code

    def terminate(self) -> None:
        if self.poll() is None:
            os.kill(self.pid, signal.SIGTERM)


def start(arguments: list[str], environment: dict[str, str], log: IO[bytes]) -> Child:
    """Run `python -m ARGUMENTS` in a process group of its own; stderr goes to `log`."""
    ours, theirs = os.pipe()
    request = json.dumps([arguments, environment]).encode()
    socket.send_fds(_nursery(), [request], [log.fileno(), theirs])
    os.close(theirs)
    return Child(os.fdopen(ours, "rb", buffering=0))


@cache
def _nursery() -> socket.socket:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    process = subprocess.Popen(
        [sys.executable, "-m", __name__, str(theirs.fileno())],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        pass_fds=[theirs.fileno()],
        start_new_session=True,
    )
    theirs.close()
    atexit.register(process.wait)
    # It ends when our end of the socket is closed.
    atexit.register(ours.close)
    return ours


def _serve(requests: socket.socket) -> None:
    for library in LIBRARIES:
        import_module(library)
    gc.freeze()
    # Nobody waits for the processes between, which tell how theirs ended.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    kept: dict[str, socket.socket] = {}
    for request, fds in _received(requests):
        environment = _without_clock(json.loads(request)[1])
        # The longest unused is the first.
        loaded = kept.pop(environment, None) or _loaded(
            environment, [requests, *kept.values()], fds
        )
        kept[environment] = loaded
        socket.send_fds(loaded, [request], fds)
        _close(fds)
        if len(kept) > KEPT:
            kept.pop(next(iter(kept))).close()


def _without_clock(environment: dict[str, str]) -> str:
    others = {k: v for k, v in environment.items() if k not in OF_THE_CLOCK}
    return json.dumps(others, sort_keys=True)


def _received(requests: socket.socket) -> Iterator[tuple[bytes, list[int]]]:
    while True:
        request, fds, _, _ = socket.recv_fds(requests, LONGEST, 2)
        if not request:
            return
        yield request, fds


def _close(fds: list[int]) -> None:
    for fd in fds:
        os.close(fd)


def _loaded(
    environment: str, others: list[socket.socket], fds: list[int]
) -> socket.socket:
    """Fork who loads our modules in an environment; it takes requests there."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    if os.fork():
        theirs.close()
        return ours
    # Else they would never hear that theirs was closed.
    for other in (ours, *others):
        other.close()
    _close(fds)
    os.environ.clear()
    os.environ.update(json.loads(environment))
    app = import_module("lemnisk_braze").celery_app
    app.loader.import_default_modules()
    app.finalize()
    gc.collect()
    gc.freeze()
    for request, given in _received(theirs):
        log, status = given
        if not os.fork():
            theirs.close()
            arguments, its_own = json.loads(request)
            os.environ.update(its_own)
            _wait_for(arguments, log, status)
        _close(given)
    os._exit(0)


def _wait_for(arguments: list[str], log: int, status: int) -> NoReturn:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    pid = os.fork()
    if not pid:
        os.close(status)
        _run(arguments, log)
    # Both do it: whoever hears of it may kill the group at once.
    os.setpgid(pid, pid)
    os.write(status, b"%d\n" % pid)
    _, how = os.waitpid(pid, 0)
    os.write(status, b"%d\n" % os.waitstatus_to_exitcode(how))
    os._exit(0)


def _run(arguments: list[str], log: int) -> NoReturn:
    os.setpgid(0, 0)
    nothing = os.open(os.devnull, os.O_RDWR)
    for own, fd in ((nothing, 0), (nothing, 1), (log, 2)):
        os.dup2(own, fd)
    if "CLOCK_AHEAD" in os.environ:
        runpy.run_path(str(CLOCK))
    sys.argv = arguments
    runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)
    sys.exit()


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
