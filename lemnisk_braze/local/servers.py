"""The three processes of a site: web server, Celery worker and beat."""

from collections.abc import Callable, Sequence
from pathlib import Path

import requests
from django.conf import settings

from lemnisk_braze.local.processes import Processes

# Logs on one's own machine are for people.
READABLE = {"LOG_FORMAT": "line"}
LOG_CONFIG = Path(settings.BASE_DIR) / "lemnisk_braze/granian.json"


def web(port: int, *, workers: int = 2) -> Sequence[str]:
    """The web server's `python -m …`, listening on this machine alone.

    Whoever sends half a header is cut off after ten seconds, and holds nobody up until
    then. Half a body does: on the internet a proxy that buffers stands in front
    (docs/operators.md).
    """
    return [
        "granian",
        "--interface=wsgi",
        "lemnisk_braze.wsgi:application",
        "--host=127.0.0.1",
        f"--port={port}",
        f"--workers={workers}",
        "--blocking-threads=8",
        "--http1-header-read-timeout=10000",
        # A worker that is told to end while it starts does not hear it.
        "--workers-kill-timeout=5",
        "--no-ws",
        f"--log-config={LOG_CONFIG}",
    ]


def start(processes: Processes, port: int) -> None:
    """Start a web server on `port`, a worker of two processes, and beat."""
    processes.start("web server", web(port))
    celery = ["celery", "-A", "lemnisk_braze"]
    processes.start("worker", [*celery, "worker", "--concurrency=2"])
    processes.start("beat", [*celery, "beat"])


def get(url: str, *, timeout: float) -> requests.Response:
    """Ask a server of this machine; not through a proxy that the environment names.

    Raises requests.RequestException where nobody answers within `timeout` seconds.
    """
    with requests.Session() as session:
        session.trust_env = False
        return session.get(url, timeout=timeout)


def answers(url: str) -> bool:
    """Whether a page is there, and well."""
    try:
        return get(url, timeout=5).status_code == 200
    except requests.RequestException:
        return False


def kept(name: str, make: Callable[[], str]) -> str:
    """A text made once and kept under VAR_DIR, where only its owner may read it."""
    path = Path(settings.VAR_DIR) / name
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(make())
    return path.read_text().strip()
