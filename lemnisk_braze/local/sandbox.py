"""The Braze sandbox as one of the processes, and the key that it knows."""

import secrets
from collections.abc import Mapping

from django.conf import settings

from lemnisk_braze.local import servers
from lemnisk_braze.local.processes import Processes

KEY = "demo-braze-key"


def key() -> str:
    """The API key, made once and kept."""
    return servers.kept(KEY, lambda: f"demo-{secrets.token_hex(16)}")


def environment(port: int) -> Mapping[str, str]:
    """What lets the site's processes send to it."""
    return {"ALLOWED_LOCAL_ADDRESSES": f"127.0.0.1:{port}"}


def start(processes: Processes, port: int) -> None:
    """Start it; what it took stands in a journal for the next start."""
    key()
    processes.start(
        "sandbox",
        [
            "externalapi.vendors.braze.sandbox",
            f"--port={port}",
            # Not the key itself: a command line is seen by everybody on the machine.
            f"--key-file={settings.VAR_DIR / KEY}",
            f"--journal={settings.VAR_DIR / 'braze-sandbox.jsonl'}",
            # What the presets of catalog items send to.
            "--catalog=restaurants:Name,Rating=number",
        ],
    )
