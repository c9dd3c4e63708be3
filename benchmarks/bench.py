"""The benchmark's ground: its servers' processes, one connection, and clocks."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from django.conf import settings
from django.db import connection

from benchmarks import certificate
from benchmarks.meter import Meter
from benchmarks.sink import SinkClient
from lemnisk_braze.local.processes import Child, Processes

CELERY = ("celery", "-A")
HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """The running benchmark, and where to find its parts."""

    directory: Path
    environment: dict[str, str]
    sink: SinkClient
    sink_pid: int

    @contextmanager
    def processes(self) -> Iterator[Processes]:
        """Processes that end with the block; their logs are under `directory`."""
        with Processes(self.directory / "log", self.environment) as processes:
            yield processes

    def meter(self, workers: Child) -> Meter:
        return Meter(
            sessions={"workers": workers.process.pid, "sink": self.sink_pid},
            families={"postgres": self._server("postgres/postmaster.pid")},
            workers=workers.process.pid,
        )

    def meter_here(self) -> Meter:
        """What this process and PostgreSQL spend; there are no workers."""
        return Meter(
            sessions={},
            families={"postgres": self._server("postgres/postmaster.pid")},
            workers=-1,
        )

    def _server(self, name: str) -> int:
        return int((self.directory / name).read_text().split()[0])


@contextmanager
def start(sink_port: int, *, is_plain: bool = False) -> Iterator[Bench]:
    """Start the sink, over HTTPS unless it `is_plain`.

    All that was started has ended when the block is left.
    """
    directory = Path(settings.VAR_DIR)
    url = f"{'http' if is_plain else 'https'}://{HOST}:{sink_port}"
    made = certificate.make(directory / "tls", HOST)
    arguments = ["benchmarks.sink", f"--port={sink_port}"]
    if not is_plain:
        arguments.append(f"--certificate={made.server}")
    environment = {
        "BENCHMARK_SINK": url,
        "ALLOWED_LOCAL_ADDRESSES": f"{HOST}:{sink_port}",
        # Whom the engine trusts, and whom the tasks written by hand do.
        "CA_FILE": str(made.authority),
        "REQUESTS_CA_BUNDLE": str(made.authority),
        "NO_PROXY": HOST,
        "LOG_LEVEL": "WARNING",
    }
    with Processes(directory / "log", environment) as processes:
        child = processes.start("sink", arguments)
        sink = SinkClient(url=url, ca_file=str(made.authority))
        processes.wait_until(sink.is_up, "the sink", 20)
        yield Bench(
            directory=directory,
            environment=environment,
            sink=sink,
            sink_pid=child.process.pid,
        )


def start_worker(processes: Processes, app: str, concurrency: int) -> Child:
    """A Celery worker with so many processes, as an operator starts it."""
    return processes.start(
        app, [*CELERY, app, "worker", f"--concurrency={concurrency}", "-l", "WARNING"]
    )


def database_now() -> datetime:
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        now: datetime = cursor.fetchone()[0]
    return now
