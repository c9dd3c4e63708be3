"""The demo's site: sandbox, web server, worker and beat, and somebody to sign in as."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import orjson
from django.conf import settings
from django.contrib.auth import get_user_model

from lemnisk_braze.local import sandbox, servers
from lemnisk_braze.local.processes import Processes, free_port

Say = Callable[[str], object]

USERNAME = "admin"


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
        environment = sandbox.environment(sandbox_port)
        with Processes(
            settings.VAR_DIR / "log", {**servers.READABLE, **environment}
        ) as processes:
            sandbox.start(processes, sandbox_port)
            servers.start(processes, port)
            site = cls(
                processes=processes,
                address=f"http://127.0.0.1:{port}",
                sandbox=f"http://127.0.0.1:{sandbox_port}",
                sandbox_key=sandbox.key(),
                password=_sign_up(),
            )
            for name, url in (
                ("sandbox", f"{site.sandbox}/sandbox/summary"),
                ("web server", f"{site.address}/admin/login/"),
            ):
                processes.wait_until(partial(servers.answers, url), f"the {name}", 60)
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
        response = servers.get(self.sandbox + path, timeout=30)
        response.raise_for_status()
        return orjson.loads(response.content)


def _sign_up() -> str:
    """The administrator of the demo, with a password made once and kept."""
    password = servers.kept("demo-password", lambda: secrets.token_urlsafe(9))
    users = get_user_model()
    user, _ = users.objects.get_or_create(
        username=USERNAME, defaults={"is_staff": True, "is_superuser": True}
    )
    if not user.check_password(password):
        user.set_password(password)
        user.save()
    return password
