"""Files in a folder of their own."""

import pytest

from segments.imports import lifecycle, runner, storing
from segments.imports.mapping.messages import ColumnUse, Plan
from segments.models import Import
from tests import factories


@pytest.fixture(autouse=True)
def folder(settings, tmp_path):
    settings.IMPORT_DIR = tmp_path / "imports"
    return settings.IMPORT_DIR


def plan(*uses, **fields):
    return Plan(columns=tuple(ColumnUse(**use) for use in uses), **fields)


ID = {"to": "external_id"}
EMAIL = {"to": "email"}


def attribute(name, type="text"):
    return {"to": "attribute", "name": name, "type": type}


def take(data: str | bytes, name="people.csv") -> Import:
    """Upload a file, and have its columns read."""
    data = data.encode() if isinstance(data, str) else data
    taken = storing.take(name, [data])
    storing.begin(taken)
    return work(taken)


def work(imported: Import, seconds: float = 60.0) -> Import:
    """Go on with it until nothing is left to be done by itself."""
    while runner.turn(imported.pk, seconds):
        pass
    imported.refresh_from_db()
    return imported


def check(imported: Import, decided: Plan, source=None) -> Import:
    assert lifecycle.check(imported, decided, source or factories.make_source())
    return work(imported)


def bring_in(
    data: str | bytes, decided: Plan, name="people.csv", source=None
) -> Import:
    """All the way from the upload to the end."""
    imported = check(take(data, name), decided, source)
    assert lifecycle.start(imported), imported.problem
    return work(imported)
