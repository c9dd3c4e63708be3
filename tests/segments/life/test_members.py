"""A segment's people as a file, for who may have it."""

import csv
import json
import tracemalloc

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse

from segments.imports import lifecycle, storing
from segments.imports.mapping import suggestions
from segments.imports.mapping.columns import Column
from segments.imports.mapping.messages import ColumnUse, Plan
from segments.life import members
from segments.models import Membership, Profile
from tests import factories
from tests.segments.imports.conftest import work

pytestmark = pytest.mark.django_db


def url(segment):
    return reverse("admin:segments_segment_export", args=[segment.pk])


def text(answer) -> str:
    return b"".join(answer.streaming_content).decode()


@pytest.fixture(autouse=True)
def folder(settings, tmp_path):
    settings.IMPORT_DIR = tmp_path / "imports"


@pytest.fixture
def segment():
    person = factories.make_profile(
        external_id="u1",
        email="ann@example.com",
        phone="+4915112345678",
        city="Köln",
        score=7,
        is_vip=True,
        pets=["cat", {"name": "Rex"}],
    )
    for name in ("city", "score", "is_vip", "pets"):
        factories.make_dictionary_entry(name)
    return factories.make_segment([person])


def test_json_lines_have_all_that_is_known(admin_client, segment):
    answer = admin_client.post(url(segment), {"format": "jsonl"})
    assert answer["Content-Disposition"].endswith('.jsonl"')
    assert "no-store" in answer["Cache-Control"]
    (line,) = [json.loads(line) for line in text(answer).splitlines()]
    assert line["attributes"]["pets"] == ["cat", {"name": "Rex"}]
    assert (line["external_id"], line["email"]) == ("u1", "ann@example.com")
    assert line["in_since"]


def test_csv_has_a_column_for_each_attribute(admin_client, segment):
    answer = admin_client.post(url(segment), {"format": "csv"})
    (row,) = csv.DictReader(text(answer).removeprefix("\ufeff").splitlines())
    assert row["city"] == "Köln"
    assert (row["score"], row["is_vip"]) == ("7", "true")
    assert json.loads(row["pets"]) == ["cat", {"name": "Rex"}]
    # Nothing that a spreadsheet runs.
    assert row["phone"] == "'+4915112345678"


RUN = "x;=1+1"


def test_an_import_reads_a_csv_back(admin_client):
    """All that a CSV can say: an empty cell is no value, and dates are texts."""
    people = {
        "u1": {
            "pets": ["cat", {"name": "Rex", "says": 'a "b", c\n\td'}, [], {}, None],
            "loans": {"open": [{"id": 9007199254740993, "rate": 0.5}]},
            "score": 7.25,
            "is_vip": True,
            "city": "Köln",
        },
        "u2": {"pets": [RUN, "\u2028=1", "a;b"], "score": -3, "is_vip": False},
        "u3": {"city": "=1+1;@x"},
    }
    phones = {}
    for number, (external_id, attributes) in enumerate(people.items()):
        phones[external_id] = f"+44770090012{number}"
        factories.make_profile(
            external_id=external_id, phone=phones[external_id], **attributes
        )
    for name in ("pets", "loans", "score", "is_vip", "city"):
        factories.make_dictionary_entry(name)
    segment = factories.make_segment(Profile.objects.all())
    file = text(admin_client.post(url(segment), {"format": "csv"}))
    assert RUN not in file
    Membership.objects.all().delete()
    Profile.objects.all().delete()

    taken = storing.take("people.csv", [file.encode()])
    storing.begin(taken)
    work(taken)
    found = [Column(**column) for column in taken.columns]
    uses = suggestions.suggest(found, is_typed=False, makes="people")
    uses = tuple(ColumnUse() if use.name == "in_since" else use for use in uses)
    assert lifecycle.start_unchecked(taken, Plan(columns=uses), factories.make_source())
    assert (work(taken).state, taken.bad) == ("done", 0)
    assert dict(Profile.objects.values_list("external_id", "attributes")) == people
    assert dict(Profile.objects.values_list("external_id", "phone")) == phones


def test_who_may_not_see_people_has_them_masked(segment):
    client = Client()
    rights = ("segments.view_segment", "segments.export_members")
    user = factories.make_user(*rights)
    client.force_login(user)
    assert "has them masked" in client.get(url(segment)).text
    for format in members.FORMATS:
        found = text(client.post(url(segment), {"format": format}))
        for secret in ("ann@example.com", "15112345678", "Köln", "Rex", "u1"):
            assert secret not in found, (format, secret)
        assert "a…@example.com" in found
    entry = LogEntry.objects.filter(user=user).latest("pk")
    assert "Exported its people (about 1, masked) as jsonl." in entry.change_message


def test_without_the_right_there_is_no_file(segment):
    client = Client()
    client.force_login(
        factories.make_user("segments.view_segment", "segments.view_profile")
    )
    assert client.get(url(segment)).status_code == 403
    assert client.post(url(segment), {"format": "csv"}).status_code == 403
    assert (
        "Export" not in client.get(segment.get_absolute_url()).text.split("<main")[-1]
    )


def test_an_unknown_format_asks_again(admin_client, segment):
    assert admin_client.post(url(segment), {"format": "xlsx"}).status_code == 200


def test_nobody_is_left_out_or_said_twice_between_reads(monkeypatch):
    segment = factories.make_segment(5)
    monkeypatch.setattr(members, "CHUNK", 2)
    lines = "".join(members.write(segment, "jsonl", is_masked=False)).splitlines()
    people = segment.memberships.order_by("profile_id")
    expected = [m.profile.external_id for m in people.select_related("profile")]
    assert [json.loads(line)["external_id"] for line in lines] == expected


def test_memory_does_not_grow_with_the_people(monkeypatch):
    """Six chunks take no more at once than two do."""
    monkeypatch.setattr(members, "CHUNK", 500)

    def most(count: int) -> int:
        segment = factories.crowd(count)
        tracemalloc.start()
        for _ in members.write(segment, "jsonl", is_masked=False):
            pass
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    most(members.CHUNK)
    few, many = most(2 * members.CHUNK), most(6 * members.CHUNK)
    assert many < 1.3 * few
