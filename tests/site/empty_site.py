"""An empty site, started as an operator starts it, with servers of its own."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

ROOT = Path(__file__).parents[2]
SECONDS = 120


class EmptySite:
    """`manage.py start` in a folder of its own, until the block is left."""

    command: tuple[str, ...] = ("start", "--port", "8700")

    def __init__(self, var: Path) -> None:
        self.var = var
        self.log = var.with_suffix(".log")
        self.said = ""
        self.password = ""
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        # Told once, to whom the first start makes.
        self.password = self._found(r"Sign in +admin  /  (\S+)")
        return self

    @property
    def environment(self) -> dict[str, str]:
        """That of its processes, and of a command beside them."""
        ours = {"DATABASE_URL", "REDIS_URL", "CI"}
        inherited = {k: v for k, v in os.environ.items() if k not in ours}
        return {**inherited, "VAR_DIR": str(self.var), "TICK_SECONDS": "1"}

    def start(self) -> None:
        """Start it, for the first time or once more after `end`."""
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", *self.command],
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.wait_for("Ctrl-C")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.end()

    def wait_for(self, words: str) -> None:
        """Until the site has said so."""
        self.wait_until(lambda: words in self._read())

    def wait_until(self, is_true: Callable[[], bool]) -> None:
        deadline = time.monotonic() + SECONDS
        while not is_true():
            assert self.process
            assert self.process.poll() is None, self._read()
            assert time.monotonic() < deadline, self._read()
            time.sleep(0.05)

    def _read(self) -> str:
        self.said = self.log.read_text()
        return self.said

    @property
    def address(self) -> str:
        return self._found(r"Open +(\S+)")

    def _found(self, pattern: str) -> str:
        match = re.search(pattern, self.said)
        assert match, self.said
        return match[1]

    def children(self, words: str) -> list[psutil.Process]:
        """The processes that it started, by what stands in their command lines."""
        assert self.process
        started = psutil.Process(self.process.pid).children()
        return [child for child in started if words in _command(child)]

    def end(self) -> int:
        """End it politely; return its exit code."""
        assert self.process
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        # It has just ended.
        return ""
