"""Celery's processes begin here: forked from one that has the libraries in memory.

Loading those is most of what a worker does that a test soon kills. Our own modules, which
read the settings, are loaded after the fork, in the environment that it is given.
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
    while True:
        request, fds, _, _ = socket.recv_fds(requests, LONGEST, 2)
        if not request:
            return
        arguments, environment = json.loads(request)
        log, status = fds
        if not os.fork():
            requests.close()
            _wait_for(arguments, environment, log, status)
        os.close(log)
        os.close(status)


def _wait_for(
    arguments: list[str], environment: dict[str, str], log: int, status: int
) -> NoReturn:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    pid = os.fork()
    if not pid:
        os.close(status)
        _run(arguments, environment, log)
    # Both do it: whoever hears of it may kill the group at once.
    os.setpgid(pid, pid)
    os.write(status, b"%d\n" % pid)
    _, how = os.waitpid(pid, 0)
    os.write(status, b"%d\n" % os.waitstatus_to_exitcode(how))
    os._exit(0)


def _run(arguments: list[str], environment: dict[str, str], log: int) -> NoReturn:
    os.setpgid(0, 0)
    nothing = os.open(os.devnull, os.O_RDWR)
    for own, fd in ((nothing, 0), (nothing, 1), (log, 2)):
        os.dup2(own, fd)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = arguments
    runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)
    sys.exit()


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
