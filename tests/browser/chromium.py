"""A Chromium for the browser tests: the machine's own, or one that is fetched."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
SECONDS = 600


class NoChromiumError(Exception):
    """There is none and none can be had; the text says what to do."""


def find_or_fetch() -> str:
    """The path of a Chromium; raises NoChromiumError where none can be had.

    The machine's own, else the one that Playwright brings along, else (as root, where
    there is apt) Debian's package.
    """
    found = installed() or _playwrights()
    if found:
        return found
    tried = []
    for fetch in (_fetch_playwrights, _fetch_debians):
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


def _fetch_playwrights() -> str:
    return _run(
        "playwright", [sys.executable, "-m", "playwright", "install", "chromium"]
    )


def _fetch_debians() -> str:
    if os.geteuid() or not shutil.which("apt-get"):
        return ""
    return _run("apt-get", ["apt-get", "update", "-qq"]) or _run(
        "apt-get", ["apt-get", "install", "-y", "-qq", "chromium"]
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
