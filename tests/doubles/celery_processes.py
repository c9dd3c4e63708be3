"""Real Celery processes on the test's own database, each in its own process group."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

from django.conf import settings
from django.db import connection

from engagements import wakeup
from tests.doubles import nursery

# What Python reads when it begins: what counts lines.
NEEDED_FROM_THE_FIRST = {"COVERAGE_PROCESS_CONFIG"}
# Another one in each test; nobody reads it there.
OF_THE_TEST = "PYTEST_CURRENT_TEST"


class CeleryProcess:
    """`celery worker` or `celery beat`; it ends, whatever happens, with the block.

    What it says is added to `log`, or else to a log that all of them have.
    """

    program: tuple[str, ...] = ("celery", "-q", "-A", "lemnisk_braze")

    def __init__(self, *arguments: str, **environment: str) -> None:
        self.arguments = arguments
        self.environment = environment
        self.log = Path(settings.VAR_DIR) / "log" / "celery.log"
        self.process: subprocess.Popen[bytes] | nursery.Child | None = None
        self._files = ExitStack()

    def __enter__(self) -> Self:
        self.log.parent.mkdir(exist_ok=True)
        log = self._files.enter_context(self.log.open("ab"))
        arguments = [*self.program, *self.arguments]
        environment = {
            **os.environ,
            **environment_of_processes(),
            **self.environment,
        }
        environment.pop(OF_THE_TEST, None)
        if not NEEDED_FROM_THE_FIRST & environment.keys():
            self.process = nursery.start(arguments, environment, log)
        else:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *arguments],
                cwd=nursery.ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                # There Celery speaks to whoever sits at the terminal.
                stdout=subprocess.DEVNULL,
                stderr=log,
                start_new_session=True,
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.kill()

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def terminate(self, seconds: float = 60) -> int:
        """Ask it to end, as a deployment does; return its exit code."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(seconds)

    def to(self, log: Path) -> Self:
        """With a log of its own."""
        self.log = log
        return self

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """It stands still, all of it, and knows nothing of it."""
        os.killpg(self.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.killpg(self.pid, signal.SIGCONT)

    def kill(self) -> None:
        """-9 for the whole group: parent, pool processes and all."""
        if self.process is None:
            return
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        # Its place in line ends with it: not every test has a beat that would notice.
        wakeup.worker().begin()
        self._files.close()


def worker(processes: int = 2, **environment: str) -> CeleryProcess:
    return CeleryProcess(
        "worker",
        f"--concurrency={processes}",
        "--without-gossip",
        "--without-mingle",
        **environment,
    )


def beat(**environment: str) -> CeleryProcess:
    return CeleryProcess("beat", **environment)


def off(
    seconds: float, start: Callable[..., CeleryProcess] = worker, **environment: str
) -> CeleryProcess:
    """A process whose clock is so many seconds ahead."""
    folder = Path(__file__).with_name("clocks")
    return start(PYTHONPATH=str(folder), CLOCK_AHEAD=str(seconds), **environment)


def environment_of_processes() -> dict[str, str]:
    database = connection.settings_dict
    host = database["HOST"] or database["OPTIONS"].get("host", "")
    credentials = ":".join(
        quote(str(part), safe="")
        for part in (database["USER"], database["PASSWORD"])
        if part
    )
    return {
        "DATABASE_URL": f"postgres://{credentials}@/{database['NAME']}?host={host}"
        + (f"&port={database['PORT']}" if database["PORT"] else ""),
        "ALLOWED_LOCAL_ADDRESSES": ",".join(settings.ALLOWED_LOCAL_ADDRESSES),
        "DELIVERY_LEASE_SECONDS": "3",
        "DELIVERY_GRACE_SECONDS": "1",
        "HTTP_TOTAL_SECONDS": "2",
        "TICK_SECONDS": "1",
        "JOURNAL_DIR": str(settings.JOURNAL_DIR),
    }
