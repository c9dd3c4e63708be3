"""Child processes: started together, watched, and ended together."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

STOP_SECONDS = 15
LOG_LINES = 15
# A child that ended so often within so many seconds has something that a new start
# does not mend.
MAX_STARTS = 5
STARTS_WITHIN = 60.0


class LocalError(Exception):
    """It cannot go on here; the text says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    name: str
    arguments: Sequence[str]
    process: "subprocess.Popen[bytes]"
    log: Path

    def tail(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()
        return "\n".join(lines[-LOG_LINES:])


class Processes:
    """Child processes, each in a group of its own so that none outlives us."""

    def __init__(self, log_dir: Path, environment: Mapping[str, str]) -> None:
        self.log_dir = log_dir
        self.environment = environment
        self.children: list[Child] = []
        self._restarts: dict[str, list[float]] = defaultdict(list)

    def __enter__(self) -> Self:
        self.log_dir.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self, name: str, arguments: Sequence[str]) -> Child:
        """Start `python -m …`; what it says goes to a log file of its own."""
        log = self.log_dir / f"{name.replace(' ', '-')}.log"
        log.unlink(missing_ok=True)
        child = self._spawn(name, arguments, log)
        self.children.append(child)
        return child

    def _spawn(self, name: str, arguments: Sequence[str], log: Path) -> Child:
        with log.open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self.environment},
                start_new_session=True,
            )
        return Child(name=name, arguments=arguments, process=process, log=log)

    def check(self) -> None:
        """Raise LocalError, with the end of its log, if a child has ended."""
        for child in self.children:
            if child.process.poll() is not None:
                raise LocalError(
                    f"The {child.name} ended. The end of {child.log}:\n{child.tail()}"
                )

    def wait_until(
        self, is_true: Callable[[], bool], what: str, seconds: float
    ) -> None:
        """Wait until something is so; raise LocalError when it takes too long."""
        deadline = time.monotonic() + seconds
        while not is_true():
            self.check()
            if time.monotonic() > deadline:
                raise LocalError(f"Waited {seconds:.0f} s in vain for {what}.")
            time.sleep(0.05)

    def wait(self) -> None:
        """Stay until we are ended from outside, or a child ends by itself."""
        while True:
            self.check()
            time.sleep(1)

    def supervise(self, say: Callable[[str], object]) -> None:
        """Stay until we are ended from outside; start each child anew that ends.

        Raises LocalError for one that ends again and again.
        """
        while True:
            for n, child in enumerate(self.children):
                if child.process.poll() is not None:
                    self._may_start_again(child)
                    say(f"The {child.name} ended and is started again: {child.log}")
                    # What it may have left of its group does not go on beside it.
                    _signal_group(child, signal.SIGKILL)
                    again = self._spawn(child.name, child.arguments, child.log)
                    self.children[n] = again
            time.sleep(1)

    def _may_start_again(self, child: Child) -> None:
        now = time.monotonic()
        recent = [at for at in self._restarts[child.name] if now - at < STARTS_WITHIN]
        self._restarts[child.name] = [*recent, now]
        if len(recent) >= MAX_STARTS:
            self.check()

    def stop(self) -> None:
        """End every child, the newest first: politely, then for certain."""
        running = [c for c in reversed(self.children) if c.process.poll() is None]
        for child in running:
            _signal_group(child, signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        for child in running:
            try:
                child.process.wait(max(deadline - time.monotonic(), 0))
            except subprocess.TimeoutExpired:
                pass
        for child in self.children:
            # The group again: a grandchild may have outlived its parent.
            _signal_group(child, signal.SIGKILL)
            child.process.wait()
        self.children.clear()


def _signal_group(child: Child, number: int) -> None:
    try:
        os.killpg(child.process.pid, number)
    except ProcessLookupError:
        pass


def free_port(wanted: int) -> int:
    """The wanted port, or the next that nobody on this machine listens on.

    0 is any, and no two who ask at the same time get the same one.
    """
    for port in range(wanted, wanted + 100):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise LocalError(f"No free port between {wanted} and {wanted + 99}.")
