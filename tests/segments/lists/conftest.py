"""Uploads to lists, in a folder of their own."""

import pytest

from segments.lists import reading, runner
from segments.models import ListUpload
from tests import factories


@pytest.fixture(autouse=True)
def folder(settings, tmp_path):
    settings.IMPORT_DIR = tmp_path / "imports"
    return settings.IMPORT_DIR


def take(of, data, mode="add", name="guests.csv") -> ListUpload:
    """Upload a file, and have it looked through."""
    data = data.encode() if isinstance(data, str) else data
    taken = reading.take(name, [data], of.kind)
    upload = reading.upload_of(taken, of=of, mode=mode)
    runner.begin(upload)
    return work(upload)


def work(upload: ListUpload, seconds: float = 60.0) -> ListUpload:
    """Go on with it until nothing is left to be done by itself."""
    while runner.turn(upload.pk, seconds):
        pass
    upload.refresh_from_db()
    return upload


def put(of, data, mode="add") -> ListUpload:
    """All the way to the list."""
    upload = take(of, data, mode)
    assert runner.write(upload), upload.problem
    return work(upload)


def on(of) -> set[str]:
    return set(of.entries.values_list("value", flat=True))


def emails(*values):
    return factories.make_list(*values, kind="email")
