"""`make start`: an empty site that stays, on one machine."""

import secrets
from argparse import ArgumentParser
from functools import partial
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model

from lemnisk_braze.local import sandbox, servers
from lemnisk_braze.local.command import LocalCommand
from lemnisk_braze.local.processes import LocalError, Processes, free_port


class Command(LocalCommand):
    help = (
        "Prepare the database, make the first administrator, and run the web server, a"
        " Celery worker and beat; what ends is started again. DATABASE_URL and"
        " REDIS_URL name the servers; without them PostgreSQL and Valkey come along."
        " Ctrl-C ends all of it, the data stays."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=8000)
        parser.add_argument(
            "--admin", default="admin", help="the first administrator's name"
        )
        parser.add_argument(
            "--sandbox",
            action="store_true",
            help="start a local Braze as well, to try things without an account",
        )
        parser.add_argument("--sandbox-port", type=int, default=8090)
        parser.add_argument(
            "--once", action="store_true", help="end as soon as the site is up"
        )

    def run(self, options: dict[str, Any]) -> None:
        password = _first_password(options["admin"])
        port = free_port(options["port"])
        sandbox_port = free_port(options["sandbox_port"]) if options["sandbox"] else 0
        environment = sandbox.environment(sandbox_port) if sandbox_port else {}
        address = f"http://127.0.0.1:{port}"
        with Processes(
            settings.VAR_DIR / "log", {**servers.READABLE, **environment}
        ) as processes:
            servers.start(processes, port)
            if sandbox_port:
                sandbox.start(processes, sandbox_port)
            page = partial(servers.answers, f"{address}/admin/login/")
            processes.wait_until(page, "the web server", 60)
            self._invite(address, options["admin"], password)
            if sandbox_port:
                self.say(
                    f"  Braze     http://127.0.0.1:{sandbox_port}   (a local one; its"
                    f" API key: {sandbox.key()})"
                )
            if not options["once"]:
                self.say("\nCtrl-C ends everything; the data stays.")
                processes.supervise(self.say)

    def _invite(self, address: str, name: str, password: str) -> None:
        if password:
            sign_in = f"{name}  /  {password}   (shown only now; change it inside)"
        else:
            sign_in = f"as before (forgotten? manage.py changepassword {name})"
        self.say(f"\n  Open      {address}\n  Sign in   {sign_in}")


def _first_password(name: str) -> str:
    """Make the first administrator; "" where one may sign in already."""
    users = get_user_model().objects
    if users.filter(is_superuser=True, is_active=True).exists():
        return ""
    if users.filter(username=name).exists():
        raise LocalError(
            f"“{name}” is somebody without all rights, and nobody else has them. Name"
            " another administrator with --admin, or make one with: manage.py"
            " createsuperuser"
        )
    password = secrets.token_urlsafe(12)
    users.create_superuser(username=name, password=password)
    return password
