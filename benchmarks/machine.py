"""The machine that the figures are of."""

import os
import platform
from dataclasses import asdict, dataclass
from pathlib import Path

from django.conf import settings
from django.db import connection
from redis import Redis

# More than this share of the cores at work before we begin makes figures doubtful.
QUIET = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    cores: int
    cpu: str
    memory_gib: float
    kernel: str
    python: str
    postgres: str
    valkey: str
    load: float

    def lines(self) -> list[str]:
        return [
            f"{self.cores} cores, {self.cpu}, {self.memory_gib:.0f} GiB, {self.kernel}",
            f"Python {self.python}, PostgreSQL {self.postgres}, Valkey {self.valkey}",
            f"load average before the start: {self.load:.2f}",
        ]

    def warning(self) -> str:
        """What to know before trusting the figures; empty where the machine is quiet."""
        if self.load <= QUIET * self.cores:
            return ""
        return (
            f"Something else is at work here: a load of {self.load:.2f} before the start"
            " makes the figures too low, and their spread too wide. Ratios travel better."
        )

    def to_dict(self) -> dict[str, object]:
        return asdict(self)


def describe() -> Machine:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return Machine(
        cores=len(os.sched_getaffinity(0)),
        cpu=_cpu(),
        memory_gib=memory / 2**30,
        kernel=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        postgres=_postgres(),
        valkey=_valkey(),
        load=os.getloadavg()[0],
    )


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _postgres() -> str:
    """The version, and the settings that decide how fast it writes."""
    names = (
        "server_version",
        "shared_buffers",
        "fsync",
        "synchronous_commit",
        "max_wal_size",
        "checkpoint_timeout",
        "random_page_cost",
    )
    values = []
    with connection.cursor() as cursor:
        for name in names:
            cursor.execute(f"SHOW {name}")
            values.append(cursor.fetchone()[0])
    told = ", ".join(f"{n} {v}" for n, v in zip(names[1:], values[1:], strict=True))
    return f"{values[0]} ({told})"


def valkey() -> "Redis":
    """A client of the broker that the benchmark started."""
    path = str(settings.REDIS_URL).removeprefix("redis+socket://")
    return Redis(unix_socket_path=path)


def _valkey() -> str:
    with valkey() as client:
        info = client.info("server")
    assert isinstance(info, dict)
    return str(info.get("valkey_version", info.get("redis_version", "?")))
