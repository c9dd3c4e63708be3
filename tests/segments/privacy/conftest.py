import pytest
from django.db import connection

from segments.ingest import inbox
from tests.factories import make_source

NOON = "2026-01-31T12:00:00.000000+00:00"
LATER = "2100-01-31T12:00:00.000000+00:00"


@pytest.fixture(autouse=True)
def folder(settings, tmp_path):
    settings.IMPORT_DIR = tmp_path / "imports"
    return settings.IMPORT_DIR


@pytest.fixture
def source(db):
    return make_source()


@pytest.fixture
def wait(source):
    """Let a call wait in the inbox: wait("identify", userId="u1", traits={…})."""
    numbers = iter(range(1_000))

    def wait(kind="identify", **payload):
        payload.setdefault("timestamp", NOON)
        if kind == "track":
            payload = {"event": "Lead", "properties": {}, **payload}
        inbox.append(source, [(f"m{next(numbers):03}", kind, payload)])

    return wait


@pytest.fixture
def call(wait):
    """The same, applied; returns (applied, refused)."""

    def call(kind="identify", **payload):
        wait(kind, **payload)
        applied = inbox.apply()
        return applied.messages, applied.errors

    return call


def tables_with(*words: str) -> set[str]:
    """The tables of the database that have one of the words anywhere, however coded."""
    found = set()
    with connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        names = [name for (name,) in cursor.fetchall()]
        cursor.execute("SET LOCAL bytea_output = 'escape'")
        for name in names:
            cursor.execute(
                f'SELECT count(*) FROM "{name}" t WHERE t::text ILIKE ANY(%s)',
                [[f"%{word}%" for word in words]],
            )
            if cursor.fetchone()[0]:
                found.add(name)
    return found
