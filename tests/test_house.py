"""What import-linter (.importlinter) cannot say of the rooms (docs/architecture.md)."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
APPS = ("segments", "externalapi", "engagements", "lemnisk_braze")
# What opens connections, whether to the outside or not.
NETWORK = {
    "aiohttp",
    "http.client",
    "httpx",
    "requests",
    "socket",
    "ssl",
    "urllib.request",
    "urllib3",
}
# They stay on this machine: servers that are started here, and asked whether they are
# up; a socket pair, a host's name; what a certificate's file holds.
STAY_HERE = (
    "engagements/delivery/transport.py",
    "engagements/outbox/workers.py",
    "externalapi/vendors/braze/sandbox/",
    "lemnisk_braze/checks.py",
    "lemnisk_braze/local/",
)
MOST_IN_A_ROOM = 14
# Folders whose names are Django's and say it all.
DJANGOS = {"management", "templatetags", "formats"}
# Pure modules: no ORM, settings, clock of Django's.
PURE = (
    "externalapi/http/answer_text.py",
    "externalapi/answers/interpretation.py",
    "externalapi/template/batching.py",
    "externalapi/vendors/braze/lint/lint.py",
    "externalapi/template/spans.py",
    "externalapi/template/parameters.py",
    "externalapi/importers/curl/command.py",
    "externalapi/importers/common/suggestions.py",
    "externalapi/template/placeholders.py",
    "engagements/personalization/expressions.py",
    "engagements/personalization/filters/budget.py",
    "engagements/personalization/filters/dates.py",
    "engagements/personalization/filters/table.py",
    "engagements/personalization/liquid.py",
    "engagements/throttling/backoff.py",
    "externalapi/vendors/braze/sandbox/rules/track.py",
    "externalapi/vendors/braze/sandbox/users/store.py",
)
MAX_LINES = 450


def modules() -> Iterator[Path]:
    for app in APPS:
        for path in sorted((ROOT / app).rglob("*.py")):
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


def test_one_room_opens_connections_to_the_outside():
    users = {
        path.relative_to(ROOT).as_posix()
        for path in modules()
        if any(
            name == n or name.startswith(f"{n}.")
            for name in imports(path)
            for n in NETWORK
        )
    }
    users = {name for name in users if not name.startswith(STAY_HERE)}
    assert {name.rpartition("/")[0] for name in users} == {"externalapi/http"}


def test_rooms_are_small_and_tell_their_story():
    rooms: dict[Path, int] = {}
    for path in modules():
        is_room = path.name != "__init__.py"
        rooms[path.parent] = rooms.get(path.parent, 0) + is_room
    full = {str(room): n for room, n in rooms.items() if n > MOST_IN_A_ROOM}
    assert full == {}
    silent = {
        room.relative_to(ROOT).as_posix()
        for room in rooms
        if not DJANGOS.intersection(room.parts)
        and not ast.get_docstring(ast.parse((room / "__init__.py").read_text()))
    }
    assert silent == set()


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
    assert readers <= {"lemnisk_braze/local/processes.py", "externalapi/http/client.py"}


def test_files_are_short_enough_to_read():
    long = {
        path.relative_to(ROOT).as_posix(): count
        for path in modules()
        if (count := len(path.read_text().splitlines())) > MAX_LINES
    }
    assert long == {}
