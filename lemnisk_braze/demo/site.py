"""The demo's site: sandbox, web server, worker and beat, and somebody to sign in as."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.request import ProxyHandler, build_opener

import orjson
from django.conf import settings
from django.contrib.auth import get_user_model

from lemnisk_braze.demo.processes import Processes, free_port

Say = Callable[[str], object]

USERNAME = "admin"
BRAZE_KEY = "demo-braze-key"
# Nothing on this machine is asked through a proxy that the environment may name.
_opener = build_opener(ProxyHandler({}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """The running demo, and where to find its parts."""

    processes: Processes
    address: str
    sandbox: str
    sandbox_key: str
    password: str

    @classmethod
    @contextmanager
    def start(cls, *, port: int, sandbox_port: int, say: Say) -> "Iterator[Site]":
        """Start every process; all have ended when the block is left."""
        port, sandbox_port = free_port(port), free_port(sandbox_port)
        # This process talks to the sandbox as well: it presses Test Configuration.
        settings.ALLOWED_LOCAL_ADDRESSES = [f"127.0.0.1:{sandbox_port}"]
        environment = {"ALLOWED_LOCAL_ADDRESSES": f"127.0.0.1:{sandbox_port}"}
        sandbox_key = _kept(BRAZE_KEY, lambda: f"demo-{secrets.token_hex(16)}")
        with Processes(settings.VAR_DIR / "log", environment) as processes:
            _start(processes, port, sandbox_port)
            site = cls(
                processes=processes,
                address=f"http://127.0.0.1:{port}",
                sandbox=f"http://127.0.0.1:{sandbox_port}",
                sandbox_key=sandbox_key,
                password=_sign_up(),
            )
            for name, url in (
                ("sandbox", f"{site.sandbox}/sandbox/summary"),
                ("web server", f"{site.address}/admin/login/"),
            ):
                processes.wait_until(partial(_answers, url), f"the {name}", 60)
            say(f"Started: web {site.address}, Braze sandbox {site.sandbox}")
            yield site

    def summary(self) -> dict[str, Any]:
        """What the sandbox has, counted."""
        found: dict[str, Any] = self.get("/sandbox/summary")
        return found

    def users(self) -> list[dict[str, Any]]:
        """Everybody in the sandbox, each with how many events they have."""
        found: list[dict[str, Any]] = self.get("/sandbox/users")
        return found

    def get(self, path: str) -> Any:
        with _opener.open(self.sandbox + path, timeout=30) as response:
            return orjson.loads(response.read())


def _start(processes: Processes, port: int, sandbox_port: int) -> None:
    processes.start(
        "sandbox",
        [
            "externalapi.sandbox",
            f"--port={sandbox_port}",
            # Not the key itself: a command line is seen by everybody on the machine.
            f"--key-file={settings.VAR_DIR / BRAZE_KEY}",
            f"--journal={settings.VAR_DIR / 'braze-sandbox.jsonl'}",
            # What the presets of catalog items send to.
            "--catalog=restaurants:Name,Rating=number",
        ],
    )
    processes.start(
        "web",
        [
            "gunicorn",
            "lemnisk_braze.wsgi",
            f"--bind=127.0.0.1:{port}",
            "--worker-class=gthread",
            "--workers=2",
            "--threads=8",
        ],
    )
    celery = ["celery", "-A", "lemnisk_braze"]
    processes.start("worker", [*celery, "worker", "--concurrency=2", "--loglevel=INFO"])
    processes.start("beat", [*celery, "beat", "--loglevel=INFO"])


def _sign_up() -> str:
    """The administrator of the demo, with a password made once and kept."""
    password = _kept("demo-password", lambda: secrets.token_urlsafe(9))
    users = get_user_model()
    user, _ = users.objects.get_or_create(
        username=USERNAME, defaults={"is_staff": True, "is_superuser": True}
    )
    if not user.check_password(password):
        user.set_password(password)
        user.save()
    return password


def _kept(name: str, make: Callable[[], str]) -> str:
    path = Path(settings.VAR_DIR) / name
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(make())
    return path.read_text().strip()


def _answers(url: str) -> bool:
    try:
        with _opener.open(url, timeout=5) as response:
            return bool(response.status == 200)
    except OSError:
        return False
