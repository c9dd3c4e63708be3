"""axe-core, the accessibility checker: fetched from npm once, never part of this project.

Where there is no npm and no network, name a copy: AXE_CORE=/path/to/axe.min.js.
"""

import hashlib
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any
from weakref import WeakSet

import pytest
from playwright.sync_api import Page

from tests.servers import SHARED, alone

VERSION = "4.14.1"
SHA256 = "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c"
STANDARD = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
# The rules of these that read a colour.
COLOURS = ["color-contrast", "link-in-text-block"]
# Beside the checker: a text is judged once in the colours that it is drawn in.
ONCE = Path(__file__).with_name("readable.js")
_readable: set[str] = set()
# Pages that have the checker for good.
BROUGHT: WeakSet[Page] = WeakSet()
# What is in order is not told, nor a selector made for every place: it would be a third of
# the work. Style sheets would be read for a rule that is not among these.
OPTIONS = {
    "reporter": "no-passes",
    "resultTypes": ["violations"],
    "selectors": False,
    "preload": {"assets": ["media"]},
}
# In which scheme the page is drawn, and what the browser draws by itself.
_DRAWN = """[
    document.documentElement.classList.contains("dark") ? "dark" : "light",
    getComputedStyle(document.documentElement).colorScheme,
]"""
# The page's own switch of the scheme: whether what is seen is still the same, and _DRAWN.
_SWITCH = """(scheme) => {
    const seen = () => [...document.querySelectorAll("*")].map(
        (element) => element.checkVisibility()).join();
    const before = seen();
    Alpine.$data(document.documentElement).adminTheme = scheme;
    return new Promise((done) => requestAnimationFrame(() => {
        for (const animation of document.getAnimations())
            if (animation instanceof CSSTransition) animation.finish();
        done([seen() === before, DRAWN]);
    }));
}""".replace("DRAWN", _DRAWN)
# As the system has it.
_SWITCH_BACK = "Alpine.$data(document.documentElement).adminTheme = 'auto'"
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
    return f"{content.decode()}\n{ONCE.read_text()}"


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


def bring(page: Page) -> None:
    """Have the checker in each document from its start, for who looks at many."""
    page.add_init_script(source())
    BROUGHT.add(page)


def violations(page: Page, script: str, rules: list[str] = STANDARD) -> list[str]:
    """Return one line for each rule that the page breaks, with the first places."""
    args = [{"runOnly": rules, **OPTIONS}, "\n".join(_readable), rules is COLOURS]
    look = "(args) => typeof axe === 'undefined' ? null : axe.look(...args)"
    found: dict[str, Any] | None = page.evaluate(look, args)
    if found is None:
        page.evaluate(script)
        found = page.evaluate(look, args)
    assert found
    if not found["violations"]:
        _readable.update(filter(None, found["readable"].split("\n")))
    return [
        f"{rule['id']} ({rule['impact']}): {rule['help']} ({len(rule['nodes'])}×), "
        + "; ".join(node["html"][:160] for node in rule["nodes"][:3])
        for rule in found["violations"]
    ]


def in_both_schemes(page: Page, scheme: str) -> Iterator[tuple[str, list[str]]]:
    """The scheme that it is drawn in and then the other, with what is not accessible.

    The document stays, so that the rules that read no colour find in the other what they
    found before, unless something is seen in one scheme alone. So does the other scheme.
    """
    _assert_drawn(page, scheme, page.evaluate(_DRAWN))
    yield scheme, violations(page, source())
    is_same = switch(page, other(scheme))
    rules = COLOURS if is_same else STANDARD
    yield other(scheme), violations(page, source(), rules)


def other(scheme: str) -> str:
    return "light" if scheme == "dark" else "dark"


def switch(page: Page, scheme: str) -> bool:
    """Draw the page in this scheme; whether what is seen is the same in both."""
    is_same, drawn = page.evaluate(_SWITCH, scheme)
    _assert_drawn(page, scheme, drawn)
    return bool(is_same)


def switch_back(page: Page) -> None:
    """Have it drawn in the system's scheme."""
    page.evaluate(_SWITCH_BACK)


def _assert_drawn(page: Page, scheme: str, drawn: list[str]) -> None:
    ours, the_browsers = drawn
    assert ours == scheme, page.url
    # What the browser draws by itself goes along.
    assert (the_browsers == "dark") is (scheme == "dark"), page.url
