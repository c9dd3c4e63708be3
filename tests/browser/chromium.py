"""A Chromium for the browser tests: the machine's own, or one that is fetched."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.servers import SHARED

# Without a window it works a third less for the same tests.
SHELL = "chromium-headless-shell"
NAMES = (
    *(SHELL, "chromium", "chromium-browser"),
    *("google-chrome", "google-chrome-stable"),
)
SECONDS = 600
# Who cannot have the shell and has another asks for it again after a day.
FAILED = SHARED / f"{SHELL}.failed"
DAY = 86_400
TIMEOUTS = [f"-oAcquire::{kind}::Timeout=10" for kind in ("http", "https")]


class NoChromiumError(Exception):
    """There is none and none can be had; the text says what to do."""


def find_or_fetch() -> str:
    """The path of a Chromium; raises NoChromiumError where none can be had.

    The headless shell, which is fetched as Debian's package (as root, where there is
    apt), else the machine's own Chromium, else the one that Playwright brings along, else
    Debian's package.
    """
    if found := shutil.which(SHELL):
        return found
    tried = []
    for fetch in (_fetch_shell, _fetch_playwrights, _fetch_debians):
        tried.append(fetch())
        if found := installed() or _playwrights():
            return found
    raise NoChromiumError(
        "No Chromium here, and none could be fetched"
        f" ({'; '.join(filter(None, tried))}): install the package chromium, or leave"
        " these tests out on purpose with: make test ARGS=--without-browser"
    )


def installed() -> str | None:
    """The machine's own."""
    return next(filter(None, map(shutil.which, NAMES)), None)


def _playwrights() -> str | None:
    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if Path(path).exists() else None


def _fetch_shell() -> str:
    if FAILED.exists() and time.time() - FAILED.stat().st_mtime < DAY:
        return FAILED.read_text()
    # A network that does not answer is left soon, and nothing is removed for it.
    failure = _apt(SHELL, "--no-remove", "-oAcquire::Retries=0", *TIMEOUTS)
    if failure:
        FAILED.write_text(failure)
    return failure


def _fetch_playwrights() -> str:
    return _run(
        "playwright", [sys.executable, "-m", "playwright", "install", "chromium"]
    )


def _fetch_debians() -> str:
    return _apt("chromium")


def _apt(package: str, *options: str) -> str:
    """As _run; without apt, or who may not use it, has nothing that went wrong."""
    if os.geteuid() or not shutil.which("apt-get"):
        return ""
    apt = ["apt-get", "-qq", *options]
    install = [*apt, "install", "-y", package]
    # Its lists may be there, and be new enough.
    return _run("apt-get", install) and (
        _run("apt-get", [*apt, "update"]) or _run("apt-get", install)
    )


def _run(name: str, command: list[str]) -> str:
    """Run it; return what went wrong, "" where nothing did."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=SECONDS
        )
    except (OSError, subprocess.SubprocessError) as e:
        return f"{name}: {e}"
    if not done.returncode:
        return ""
    lines = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
    return f"{name}: {lines[0] if lines else done.returncode}"
