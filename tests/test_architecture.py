"""Data flows one way, and so do the imports (docs/architecture.md)."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# What more than one app needs; it imports none of them.
LIB = "lemnisk_braze.lib"
# Which of our packages a package may import, beside itself and LIB.
MAY_IMPORT: dict[str, set[str]] = {
    "segments": set(),
    "externalapi": set(),
    "engagements": {"segments", "externalapi"},
    "lemnisk_braze": {"segments", "externalapi", "engagements"},
}
# The only places that may talk HTTP with this library.
MAY_IMPORT_REQUESTS = {"externalapi/client.py"}
# Pure modules: no ORM, settings, clock of Django's.
PURE = (
    "externalapi/answer_text.py",
    "externalapi/answers.py",
    "externalapi/batching.py",
    "externalapi/vendors/braze/lint/lint.py",
    "externalapi/layout.py",
    "externalapi/parameters.py",
    "externalapi/pasted/curl.py",
    "externalapi/pasted/suggestions.py",
    "externalapi/placeholders.py",
    "engagements/expressions.py",
    "engagements/filters/budget.py",
    "engagements/filters/dates.py",
    "engagements/filters/table.py",
    "engagements/personalization.py",
    "engagements/retries.py",
    "externalapi/vendors/braze/sandbox/rules/track.py",
    "externalapi/vendors/braze/sandbox/users/store.py",
)
MAX_LINES = 450


def modules() -> Iterator[Path]:
    for package in MAY_IMPORT:
        for path in sorted((ROOT / package).rglob("*.py")):
            if "migrations" not in path.parts:
                yield path


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {node.module}
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_imports_form_a_v(package):
    allowed = MAY_IMPORT[package] | {package}
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in modules()
        if path.relative_to(ROOT).parts[0] == package
        for name in sorted(imports(path))
        if name.split(".")[0] in MAY_IMPORT.keys() - allowed
        and not f"{name}.".startswith(f"{LIB}.")
    ]
    assert wrong == []


def test_lib_imports_no_app():
    wrong = [
        f"{path.name} imports {name}"
        for path in (ROOT / "lemnisk_braze/lib").glob("*.py")
        for name in sorted(imports(path))
        if name.split(".")[0] in MAY_IMPORT and not f"{name}.".startswith(f"{LIB}.")
    ]
    assert wrong == []


def test_one_module_talks_http():
    users = {
        path.relative_to(ROOT).as_posix()
        for path in modules()
        if any(name.split(".")[0] == "requests" for name in imports(path))
    }
    assert users <= MAY_IMPORT_REQUESTS


@pytest.mark.parametrize("name", PURE)
def test_pure_modules_know_no_django(name):
    wrong = {i for i in imports(ROOT / name) if i.split(".")[0] == "django"}
    assert wrong == set()


def test_settings_alone_read_the_environment():
    allowed = {"settings.py", "embedded.py", "celery.py", "wsgi.py"}
    readers = {
        path.relative_to(ROOT).as_posix()
        for path in modules()
        if "os.environ" in path.read_text() and path.name not in allowed
    }
    # The demo hands its own environment on to its processes; the guarded way out asks
    # where the machine keeps its certificates.
    assert readers <= {"lemnisk_braze/local/processes.py", "externalapi/client.py"}


def test_files_are_short_enough_to_read():
    long = {
        path.relative_to(ROOT).as_posix(): count
        for path in modules()
        if (count := len(path.read_text().splitlines())) > MAX_LINES
    }
    assert long == {}
