"""What a measurement costs: CPU seconds and memory, out of /proc."""

import os
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

TICKS = os.sysconf("SC_CLK_TCK")
SAMPLE_SECONDS = 0.5
MB = 1024  # /proc counts in kB


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """CPU seconds by part, and the peak memory of the largest worker process in MB."""

    seconds: float
    cpu: Mapping[str, float]
    peak_pss_mb: float
    peak_rss_mb: float


@dataclass(slots=True, kw_only=True)
class Meter:
    """`with meter:` what happens in the block is in `cost` afterwards.

    `sessions` are processes that lead a session, `families` are servers whose children
    lead sessions of their own, as PostgreSQL's do. The memory is of `workers`.
    """

    sessions: Mapping[str, int]
    families: Mapping[str, int]
    workers: int
    cost: Cost = field(init=False)
    _before: Mapping[str, float] = field(init=False)
    _started: float = field(init=False)
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread = field(init=False)
    _pss: int = 0
    _rss: int = 0

    def __enter__(self) -> Self:
        self._before = self._read()
        self._started = time.monotonic()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()
        after = self._read()
        spent = {name: after[name] - before for name, before in self._before.items()}
        spent["others"] = spent.pop("machine") - sum(spent.values())
        self.cost = Cost(
            seconds=time.monotonic() - self._started,
            cpu=spent,
            peak_pss_mb=self._pss / MB,
            peak_rss_mb=self._rss / MB,
        )

    def _read(self) -> dict[str, float]:
        table = list(_processes())
        used = {"benchmark": time.process_time(), "machine": _machine_busy()}
        for name, leader in self.sessions.items():
            used[name] = sum(p.total for p in table if p.session == leader)
        for name, parent in self.families.items():
            own = sum(p.total for p in table if p.pid == parent)
            used[name] = own + sum(p.total for p in table if p.parent == parent)
        return used

    def _watch(self) -> None:
        while True:
            for process in _processes():
                if process.session == self.workers:
                    pss, rss = _memory(process.pid)
                    self._pss, self._rss = max(self._pss, pss), max(self._rss, rss)
            if self._stop.wait(SAMPLE_SECONDS):
                return


def on_cpu(pid: int) -> float:
    """CPU seconds of a process with one thread, to the nanosecond."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


@dataclass(frozen=True, slots=True, kw_only=True)
class _Process:
    pid: int
    parent: int
    session: int
    # CPU seconds, those of ended children included.
    total: float


def _processes() -> Iterator[_Process]:
    for path in Path("/proc").iterdir():
        if not path.name.isdigit():
            continue
        try:
            fields = (path / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has just ended
        yield _Process(
            pid=int(path.name),
            parent=int(fields[1]),
            session=int(fields[3]),
            total=sum(map(int, fields[11:15])) / TICKS,
        )


def _machine_busy() -> float:
    """CPU seconds of everything on the machine; waiting and idling left out."""
    line = Path("/proc/stat").read_text().partition("\n")[0]
    user, nice, system, _, _, irq, softirq, *_ = map(int, line.split()[1:])
    return (user + nice + system + irq + softirq) / TICKS


def _memory(pid: int) -> tuple[int, int]:
    """(PSS, RSS) in kB: memory with shared pages divided by who shares them, and all."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0, 0
    found = {line.partition(":")[0]: line.split() for line in text.splitlines()}
    if "Pss" not in found or "Rss" not in found:
        return 0, 0
    return int(found["Pss"][1]), int(found["Rss"][1])
