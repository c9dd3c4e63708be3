"""Somebody who is erased goes from lists, and is in none that is uploaded later."""

import json

import pytest

from segments.models import ListUpload, Tombstone
from segments.people import export
from segments.privacy import erasure
from tests import factories
from tests.segments.lists.conftest import emails, on, put, take
from tests.segments.privacy.conftest import tables_with

pytestmark = pytest.mark.django_db

HERS = ("ann-4711", "ann@x.example")


@pytest.fixture
def ann():
    return factories.make_profile(external_id=HERS[0], email=HERS[1])


def erase(person):
    found = erasure.erase_person(person, asked_through="a test")
    assert found.state == "done", found.problem
    return found


def test_who_is_erased_goes_from_lists_and_what_was_uploaded(ann):
    of, ids = emails(HERS[1], "bob@x.example"), factories.make_list(HERS[0])
    put(of, "Ann@x.example\nann@x.example\nzoe@x.example\n")
    waiting = take(ids, "ann-4711\nann-4711\nu2\n")
    report = erase(ann)
    assert tables_with(*HERS) == set()
    assert on(of) == {"bob@x.example", "zoe@x.example"} and on(ids) == set()
    of.refresh_from_db()
    assert of.size == 2
    assert report.went["identifiers on lists"] == 6
    assert waiting.lines.count() == 1


def test_a_later_upload_keeps_them_out_and_does_not_keep_who_it_was(ann):
    erase(ann)
    assert Tombstone.objects.exists()
    of = emails()
    upload = put(of, "ann@x.example\nann@x.example\nbob@x.example\n")
    assert upload.found == {"refused": 2, "unknown": 1} and upload.rows == 3
    assert on(of) == {"bob@x.example"}
    assert tables_with("ann@x.example") == set()


def test_a_file_that_waits_for_its_column_goes_with_them(ann, folder):
    upload = take(emails(), "a,b\nann@x.example,1\n")
    assert upload.state == ListUpload.State.UPLOADED
    erase(ann)
    upload.refresh_from_db()
    assert upload.state == ListUpload.State.FAILED
    assert "was erased, and the file with them" in upload.problem
    assert list(folder.iterdir()) == []


def test_a_file_that_names_somebody_else_stays(ann, folder):
    take(emails(), "a,b\nbob@x.example,1\n")
    erase(ann)
    assert len(list(folder.iterdir())) == 1


def test_an_export_says_which_lists_somebody_is_on(ann):
    of = emails(HERS[1], "bob@x.example")
    document = json.loads("".join(export.write(ann)))
    assert document["lists"] == [
        {"list": of.name, "identifier": "email", "value": HERS[1]}
    ]
