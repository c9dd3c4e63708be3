"""Watched folders: each content comes in once, when it is whole."""

import os

import pytest

from segments.imports import runner
from segments.imports.feeding import folders
from segments.models import Import, Profile, WatchedFolder
from tests import factories
from tests.segments.imports.conftest import work

pytestmark = pytest.mark.django_db

FILE = "id,city\nu1,Köln\nu2,Ulm\n"


@pytest.fixture
def drop(tmp_path, settings):
    path = tmp_path / "drop"
    path.mkdir()
    settings.IMPORT_FROM = [str(tmp_path)]
    return path


@pytest.fixture
def watched(drop):
    return WatchedFolder.objects.create(
        name="Drop",
        path=str(drop),
        source=factories.make_source(),
        columns="id=external_id",
    )


def look(times=1):
    """So many looks, and all the work that comes of them."""
    taken = sum(folders.look_at_all() for _ in range(times))
    for imported in Import.objects.filter(state__in=Import.WORKING):
        work(imported)
    return taken


def names(folder):
    return sorted(file.name for file in folder.iterdir() if file.is_file())


def test_a_file_comes_in_and_goes_on_to_done(drop, watched):
    (drop / "people.csv").write_text(FILE)
    assert look() == 0
    assert look() == 1
    assert Import.objects.get().state == Import.State.DONE
    assert Profile.objects.count() == 2
    look()
    assert (names(drop), names(drop / "done")) == ([], ["people.csv"])


def test_a_file_that_grows_waits_until_it_does_not(drop, watched):
    file = drop / "people.csv"
    file.write_text(FILE)
    look()
    with file.open("a") as stream:
        stream.write("u3,Jena\n")
    assert look() == 0
    assert look() == 1
    assert Profile.objects.count() == 3


@pytest.mark.parametrize("name", [".people.csv", "people.csv.part", "people.TMP"])
def test_an_unfinished_name_waits_until_it_is_renamed(drop, watched, name):
    (drop / name).write_text(FILE)
    assert look(3) == 0
    (drop / name).rename(drop / "people.csv")
    assert look(2) == 1


def test_the_same_content_comes_in_once_whatever_it_is_called(drop, watched):
    (drop / "a.csv").write_text(FILE)
    look(2)
    look()
    (drop / "a.csv").write_text(FILE)
    (drop / "b.csv").write_text(FILE)
    assert look(3) == 0
    assert Import.objects.count() == 1
    assert names(drop / "done") == ["a-2.csv", "a.csv", "b.csv"]


def test_a_kill_after_any_step_takes_no_file_twice(drop, watched):
    file = drop / "people.csv"
    file.write_text(FILE)
    folders.look_at_all()
    folders.look_at_all()
    # Taken, and killed before the look was noted.
    WatchedFolder.objects.update(seen={})
    folders.look_at_all()
    folders.look_at_all()
    assert Import.objects.count() == 1
    work(Import.objects.get())
    WatchedFolder.objects.update(seen={})
    assert look(2) == 0
    assert names(drop / "done") == ["people.csv"]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "The file is empty"),
        (b"PK\x03\x04 workbook", "workbook"),
        ("id,city\nu1,Köln\n".encode("latin-1"), "encoding cannot be told"),
    ],
)
def test_what_is_no_file_of_people_goes_on_to_failed(drop, watched, data, words):
    (drop / "bad.csv").write_bytes(data)
    (drop / "good.csv").write_text(FILE)
    look(2)
    watched.refresh_from_db()
    assert watched.problem.startswith("bad.csv: ")
    assert words in watched.problem
    assert names(drop / "failed") == ["bad.csv"]
    assert Profile.objects.count() == 2


def test_columns_that_were_not_expected_fail_the_import(drop, watched):
    (drop / "people.csv").write_text("nr,city\nu1,Ulm\n")
    look(2)
    look()
    imported = Import.objects.get()
    assert imported.state == Import.State.FAILED
    assert "There is no column “id”" in imported.problem
    assert names(drop / "failed") == ["people.csv"]
    assert not Profile.objects.exists()


def test_a_folder_that_is_gone_says_so_and_others_are_looked_at(drop, watched):
    WatchedFolder.objects.create(
        name="Gone", path=str(drop.parent / "gone"), source=watched.source
    )
    (drop / "people.csv").write_text(FILE)
    assert look(2) == 1
    assert "No such file" in WatchedFolder.objects.get(name="Gone").problem


def test_links_lead_nowhere(drop, watched, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside")
    (outside / "secret.csv").write_text(FILE)
    (drop / "link.csv").symlink_to(outside / "secret.csv")
    (drop.parent / "way").symlink_to(outside)
    WatchedFolder.objects.create(
        name="Way", path=str(drop.parent / "way"), source=watched.source
    )
    assert look(3) == 0
    assert "IMPORT_FROM" in WatchedFolder.objects.get(name="Way").problem


def test_a_file_that_is_too_large_is_told_by_its_size(drop, watched, settings):
    settings.IMPORT_MAX_BYTES = 1 << 20
    (drop / "large.csv").touch()
    os.truncate(drop / "large.csv", 2 << 20)
    look(2)
    watched.refresh_from_db()
    assert "at most 1 MB" in watched.problem
    assert not list(settings.IMPORT_DIR.glob("*"))


def test_folders_are_looked_at_by_the_tick(drop, watched):
    from engagements.tick import CHORES

    (drop / "people.csv").write_text(FILE)
    for _ in range(2):
        CHORES["look into watched folders"]()
    assert runner.wake_waiting() == 1
