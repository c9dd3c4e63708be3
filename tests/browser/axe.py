"""axe-core, the accessibility checker: fetched from npm once, never part of this project.

Where there is no npm and no network, name a copy: AXE_CORE=/path/to/axe.min.js.
"""

import hashlib
import os
import shutil
import subprocess
import tarfile
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.servers import SHARED, alone

VERSION = "4.14.1"
SHA256 = "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c"
STANDARD = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
# The rules of these that read a colour.
COLOURS = ["color-contrast", "link-in-text-block"]
MISSING = f"No axe-core {VERSION}: it needs npm and a network, or AXE_CORE=axe.min.js."


@cache
def source() -> str:
    """Return the script's text; skip the test where it cannot be had."""
    kept = Path(os.environ.get("AXE_CORE", SHARED / f"axe-{VERSION}.min.js"))
    with alone():
        if not kept.exists():
            _fetch(kept)
    content = kept.read_bytes()
    assert hashlib.sha256(content).hexdigest() == SHA256, f"{kept} is not {VERSION}"
    return content.decode()


def _fetch(kept: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip(MISSING)
    kept.parent.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [npm, "pack", "--silent", f"axe-core@{VERSION}"],
        cwd=kept.parent,
        capture_output=True,
        text=True,
        timeout=120,
    )
    if done.returncode:
        pytest.skip(MISSING)
    package = kept.parent / done.stdout.split()[-1]
    with tarfile.open(package) as archive:
        script = archive.extractfile("package/axe.min.js")
        assert script is not None
        kept.write_bytes(script.read())
    package.unlink()


def violations(page: Page, script: str, rules: list[str] = STANDARD) -> list[str]:
    """Return one line for each rule that the page breaks, with the first places."""
    if page.evaluate("typeof axe === 'undefined'"):
        page.evaluate(script)
    # Style sheets would be read for a rule that is not among them.
    found: dict[str, Any] = page.evaluate(
        "(rules) => axe.run(document, {runOnly: rules, resultTypes: ['violations'],"
        " preload: {assets: ['media']}})",
        rules,
    )
    return [
        f"{rule['id']} ({rule['impact']}): {rule['help']} ({len(rule['nodes'])}×), "
        + "; ".join(node["html"][:160] for node in rule["nodes"][:3])
        for rule in found["violations"]
    ]
