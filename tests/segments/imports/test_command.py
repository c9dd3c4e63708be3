"""`manage.py import_people`: the same as the pages, for scripts."""

import csv
import io

import pytest
from django.core.management import CommandError, call_command

from segments.identity import tombstones
from segments.models import Event, Import, Profile
from tests import factories

pytestmark = pytest.mark.django_db

FILE = "Nr,Mail,Ort,joined\nu1,a@x.example,Köln,27/07/2025\nu2,b@x.example,Ulm,\n"


@pytest.fixture
def source():
    return factories.make_source(name="Shop")


@pytest.fixture
def command(tmp_path, source):
    def run(text, *options, name="people.csv"):
        path = tmp_path / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        out, err = io.StringIO(), io.StringIO()
        call_command(
            "import_people",
            str(path),
            "--source",
            "Shop",
            *options,
            stdout=out,
            stderr=err,
        )
        return out.getvalue()

    return run


def attributes():
    people = Profile.objects.order_by("external_id")
    return {p.external_id: (p.email, p.attributes) for p in people}


def test_columns_are_what_was_said_and_else_what_they_seem(command):
    said = "Nr=external_id, Ort=attribute:city:text"
    assert "2 rows came in, 0 did not" in command(FILE, "--map", said)
    assert attributes() == {
        "u1": (
            "a@x.example",
            {"city": "Köln", "joined": "2025-07-27"},
        ),
        "u2": ("b@x.example", {"city": "Ulm"}),
    }
    assert Import.objects.get().state == Import.State.DONE


def test_a_dry_run_counts_and_changes_nobody(command):
    factories.make_profile(external_id="u1", email="a@x.example", city="Köln")
    said = "Nr=external_id,Ort=attribute:city,joined=-"
    out = command(FILE, "--map", said, "--dry-run")
    assert "1 new, 0 changed, 1 the same, 0 bad rows; nothing was changed" in out
    assert set(attributes()) == {"u1"}


def test_bad_rows_are_written_and_told_by_the_exit_code(command, tmp_path):
    bad = tmp_path / "bad.csv"
    text = "id,score\nu1,7\n,8\nu3,x\n"
    said = "score=attribute:score:number"
    with pytest.raises(CommandError, match="2 bad rows") as e:
        command(text, "--map", said, "--bad", str(bad))
    assert e.value.returncode == 3
    assert attributes() == {"u1": ("", {"score": 7})}
    rows = list(csv.reader(io.StringIO(bad.read_text(encoding="utf-8-sig"))))
    assert [row[0] for row in rows[1:]] == ["3", "4"]
    assert "no number" in rows[2][1]


def test_who_was_erased_did_not_come_in_and_is_no_bad_row(command):
    tombstones.put([("external_id", "u1")], may_return=False)
    out = command(FILE, "--map", "Nr=external_id")
    assert out == "1 row came in, 1 erased (kept out), 0 did not.\n"
    assert set(attributes()) == {"u2"}


def test_rows_may_be_events(command):
    text = "id,at,amount\nu1,2026-01-01 10:00,5\n"
    said = "at=time,amount=property:sum"
    command(text, "--map", said, "--event", "Paid", "--zone", "Asia/Kolkata")
    event = Event.objects.get()
    assert (event.name, event.properties) == ("Paid", {"sum": 5})
    assert event.time.isoformat() == "2026-01-01T04:30:00+00:00"


@pytest.mark.parametrize(
    ("text", "options", "words"),
    [
        (
            FILE,
            ["--map", "Nr=external_id,Plz=-"],
            "no column “Plz”. There are: Nr, Mail",
        ),
        (FILE, ["--map", "Nr=extern"], "Nr: “extern” is none of external_id"),
        (FILE, ["--map", "Nr"], "write it as column=use"),
        (FILE, ["--map", "Nr=-, Nr=email"], "named twice"),
        (FILE, ["--map", "Ort=attribute:city:txet"], "“txet” is no type"),
        (FILE, ["--zone", "Mars"], "no time zone"),
        ("id,d\nu1,05/07/2025\n", ["--map", "d=attribute"], "date_dmy or date_mdy"),
        ("a,b\n1,2\n", [], "which column names the person"),
        ("", [], "The file is empty"),
    ],
)
def test_what_cannot_be_is_said_and_nothing_is_done(command, text, options, words):
    with pytest.raises(CommandError, match=words) as e:
        command(text, *options)
    assert e.value.returncode == 1
    assert not Profile.objects.exists()
    assert not Import.objects.filter(state__in=Import.WORKING).exists()


def test_a_source_that_is_not_there_is_named(command, tmp_path):
    path = tmp_path / "people.csv"
    path.write_text(FILE)
    with pytest.raises(CommandError, match="no active source “Nobody”"):
        call_command("import_people", str(path), "--source", "Nobody")
    with pytest.raises(CommandError, match="No such file"):
        call_command("import_people", "/nowhere.csv", "--source", "Shop")


def test_a_file_that_is_too_large_is_refused_by_its_size(command, settings):
    settings.IMPORT_MAX_BYTES = 1 << 20
    with pytest.raises(CommandError, match="at most 1 MB"):
        command("id\n" + "u" * (1 << 20))
    assert not list(settings.IMPORT_DIR.glob("*"))
