"""The demo's processes: started together, watched, and ended together."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

STOP_SECONDS = 15
LOG_LINES = 15


class DemoError(Exception):
    """The demo cannot go on; the text says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    name: str
    process: "subprocess.Popen[bytes]"
    log: Path

    def tail(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()
        return "\n".join(lines[-LOG_LINES:])


class Processes:
    """Child processes, each in a group of its own so that none outlives the demo."""

    def __init__(self, log_dir: Path, environment: Mapping[str, str]) -> None:
        self.log_dir = log_dir
        self.environment = environment
        self.children: list[Child] = []

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
        log = self.log_dir / f"{name}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self.environment},
                start_new_session=True,
            )
        child = Child(name=name, process=process, log=log)
        self.children.append(child)
        return child

    def check(self) -> None:
        """Raise DemoError, with the end of its log, if a child has ended."""
        for child in self.children:
            if child.process.poll() is not None:
                raise DemoError(
                    f"The {child.name} ended. The end of {child.log}:\n{child.tail()}"
                )

    def wait_until(
        self, is_true: Callable[[], bool], what: str, seconds: float
    ) -> None:
        """Wait until something is so; raise DemoError when it takes too long."""
        deadline = time.monotonic() + seconds
        while not is_true():
            self.check()
            if time.monotonic() > deadline:
                raise DemoError(f"Waited {seconds:.0f} s in vain for {what}.")
            time.sleep(0.05)

    def wait(self) -> None:
        """Stay until the demo is ended from outside, or a child ends by itself."""
        while True:
            self.check()
            time.sleep(1)

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
    """The wanted port, or the next that nobody on this machine listens on."""
    for port in range(wanted, wanted + 100):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise DemoError(f"No free port between {wanted} and {wanted + 99}.")
