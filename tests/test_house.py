"""What import-linter (.importlinter) cannot say of the rooms (docs/architecture.md)."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
APPS = ("segments", "externalapi", "engagements", "lemnisk_braze")
# What opens connections, whether to the outside or not.
NETWORK = {
    "adbc_driver_postgresql",
    "aiohttp",
    "duckdb",
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


def test_few_rooms_open_connections_to_the_outside():
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
    # By HTTP, to databases, and the names of either.
    assert {name.rpartition("/")[0] for name in users} == {
        "externalapi/http",
        "lemnisk_braze/lib/network",
        "segments/imports/feeding",
    }


def test_what_every_page_is_given_is_given_in_one_place():
    asking = [
        path.relative_to(ROOT).as_posix()
        for path in modules()
        if "each_context(" in path.read_text()
    ]
    assert asking == ["lemnisk_braze/lib/pages/context.py"]


def room_of(name: str) -> str:
    """The room that a module's dotted name leads into; empty for an app's own modules."""
    parts = name.split(".")
    size = 4 if parts[:3] == ["externalapi", "vendors", "braze"] else 2
    room = ".".join(parts[:size])
    is_room = (ROOT / room.replace(".", "/") / "__init__.py").exists()
    return room if is_room and len(parts) >= size else ""


def faces() -> dict[str, set[str]]:
    """What each room that names its face shows to others."""
    found = {}
    for path in modules():
        if path.name == "__init__.py":
            for node in ast.parse(path.read_text()).body:
                if (
                    isinstance(node, ast.Assign)
                    and ast.unparse(node.targets[0]) == "__all__"
                ):
                    room = ".".join(path.relative_to(ROOT).parent.parts)
                    found[room] = set(ast.literal_eval(node.value))
    return found


def test_other_rooms_import_only_a_rooms_face():
    shown = faces()
    used: dict[str, set[str]] = {room: set() for room in shown}
    wrong = []
    for path in modules():
        own = room_of(".".join(path.relative_to(ROOT).with_suffix("").parts))
        for name in imports(path):
            room = room_of(name)
            if room in shown and room not in (own, name):
                part = name.removeprefix(f"{room}.").split(".")[0]
                used[room].add(part)
                if part not in shown[room]:
                    wrong.append(f"{path.relative_to(ROOT)} imports {name}")
    assert wrong == []
    # Django and Celery come for these by themselves.
    found = {room for room in shown if room.endswith((".models", ".admin"))} | {*APPS}
    unused = {room: shown[room] - used[room] for room in shown.keys() - found}
    assert {room: names for room, names in unused.items() if names} == {}


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
    # The demo hands its own environment on to its processes.
    assert readers <= {"lemnisk_braze/local/processes.py"}


def test_files_are_short_enough_to_read():
    long = {
        path.relative_to(ROOT).as_posix(): count
        for path in modules()
        if (count := len(path.read_text().splitlines())) > MAX_LINES
    }
    assert long == {}


@pytest.mark.parametrize("app", [app for app in APPS if app != "lemnisk_braze"])
def test_tests_stand_where_their_rooms_do(app):
    folders = {path.parent for path in (ROOT / "tests" / app).rglob("test_*.py")}
    rooms = {folder.relative_to(ROOT / "tests").as_posix() for folder in folders}
    assert len(rooms) > 4
    assert {
        room for room in rooms if not (ROOT / room / "__init__.py").exists()
    } == set()
