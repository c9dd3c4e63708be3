"""Files become people: checked before, once, and whole whatever is killed."""

import json
import os
import re
import threading
import time
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from engagements import retention
from lemnisk_braze.lib import database_clock
from segments.identity import tombstones
from segments.imports import lifecycle, progress, report, runner, storing
from segments.imports.reading.rows import FileError
from segments.ingest import inbox
from segments.lists import reading as list_reading
from segments.lists import runner as list_runner
from segments.models import (
    BadRow,
    Event,
    FoundPerson,
    Identifier,
    Import,
    InboxRequest,
    Profile,
    RefusedMessage,
    Seen,
)
from segments.tracking import replaying
from tests import factories
from tests.faults.working import in_thread
from tests.segments.imports.conftest import (
    EMAIL,
    ID,
    attribute,
    bring_in,
    check,
    plan,
    take,
    work,
)

pytestmark = pytest.mark.django_db

State = Import.State
CITY = attribute("city")
UNKNOWN = {"userId": "u9", "timestamp": "2026-01-31T12:00:00Z", "traits": {}}
PEOPLE = "id,email,city\nu1,Ana@X.example,Köln\nu2,bo@x.example,Bonn\n"


def person(external_id):
    return Profile.objects.get(external_id=external_id)


def found(imported):
    return {name: count for name, count in imported.found.items() if count}


def test_a_file_becomes_people():
    imported = bring_in(PEOPLE, plan(ID, EMAIL, CITY))
    assert imported.state == State.DONE, imported.problem
    assert (imported.rows, imported.read, imported.bad) == (2, 2, 0)
    ana = person("u1")
    assert (ana.email, ana.attributes) == ("ana@x.example", {"city": "Köln"})
    assert Profile.objects.count() == 2


def test_ids_that_a_spreadsheet_has_rounded_make_nobody_one_person():
    data = "id,city\n1.23457E+11,Bonn\n1.23457E+11,Köln\n1E5,Ulm\n"
    imported = bring_in(data, plan(ID, CITY))
    assert found(imported) == {"new": 1, "bad": 2}
    assert list(Profile.objects.values_list("external_id", flat=True)) == ["1E5"]


def test_nothing_is_changed_before_it_is_started():
    imported = check(take(PEOPLE), plan(ID, EMAIL, CITY))
    assert imported.state == State.READY
    assert Profile.objects.count() == 0


def test_the_columns_are_read_before_anybody_is_asked():
    imported = take("id,joined\nu1,05/07/2025\nu2,27/07/2025\n")
    assert imported.state == State.UPLOADED
    assert [column["name"] for column in imported.columns] == ["id", "joined"]
    assert "date_dmy" in imported.columns[1]["may_be"]
    assert "date_mdy" not in imported.columns[1]["may_be"]


def test_a_header_alone_changes_nothing_and_says_so():
    imported = take("id,city\n")
    assert (imported.state, imported.rows) == (State.UPLOADED, 0)


def test_the_check_counts_new_changed_same_and_bad():
    factories.make_profile(external_id="u1", email="ana@x.example", city="Köln")
    factories.make_profile(external_id="u2", email="bo@x.example", city="Berlin")
    text = PEOPLE + "u3,c@x.example,Ulm\n,,Ulm\nu4\n"
    imported = check(take(text), plan(ID, EMAIL, CITY))
    assert found(imported) == {"new": 1, "changed": 1, "same": 1, "bad": 2}
    lines = imported.bad_rows.order_by("line").values_list("line", flat=True)
    assert list(lines) == [5, 6]
    assert not FoundPerson.objects.exists()


@pytest.mark.parametrize(
    ("rows", "expected", "city"),
    [
        # The last row wins.
        (["u1,Bonn", "u1,Ulm"], {"changed": 1, "repeated": 1}, "Ulm"),
        (["u1,Bonn", "u1,Köln"], {"same": 1, "repeated": 1}, "Köln"),
        # An empty cell says nothing.
        (["u1,Bonn", "u1,"], {"changed": 1, "repeated": 1}, "Bonn"),
        (["u1,", "u1,"], {"same": 1, "repeated": 1}, "Köln"),
    ],
)
def test_a_person_named_twice_is_one_and_the_counts_are_true(rows, expected, city):
    factories.make_profile(external_id="u1", city="Köln")
    text = "\n".join(["id,city", *rows])
    imported = check(take(text), plan(ID, CITY))
    assert found(imported) == expected
    lifecycle.start(imported)
    work(imported)
    assert person("u1").attributes == {"city": city}


def test_a_person_named_twice_far_apart_is_one(monkeypatch):
    monkeypatch.setattr(runner, "PIECE", 2)
    text = "id,city\n" + "".join(f"u{n % 3},c{n}\n" for n in range(9))
    imported = check(take(text), plan(ID, CITY))
    assert found(imported) == {"new": 3, "repeated": 6}
    lifecycle.start(imported)
    work(imported)
    cities = {p.external_id: p.attributes["city"] for p in Profile.objects.all()}
    assert cities == {"u0": "c6", "u1": "c7", "u2": "c8"}


def test_importing_it_again_changes_nobody():
    bring_in(PEOPLE, plan(ID, EMAIL, CITY))
    before = list(Profile.objects.order_by("pk").values("pk", "email", "attributes"))
    again = check(take(PEOPLE), plan(ID, EMAIL, CITY))
    assert found(again) == {"same": 2}
    lifecycle.start(again)
    assert work(again).state == State.DONE
    after = list(Profile.objects.order_by("pk").values("pk", "email", "attributes"))
    assert after == before


def test_an_empty_cell_is_kept_or_cleared():
    factories.make_profile(external_id="u1", email="a@x.example", city="Köln")
    kept = bring_in("id,email,city\nu1,,\n", plan(ID, EMAIL, CITY))
    assert found(kept) == {"same": 1}
    assert person("u1").attributes == {"city": "Köln"}
    cleared = bring_in("id,email,city\nu1,,\n", plan(ID, EMAIL, CITY, empty="clear"))
    assert found(cleared) == {"changed": 1}
    assert (person("u1").attributes, person("u1").email) == ({}, "")


def test_events_of_a_file_happen_once():
    text = "user;event;at;order\nu1;Bought;2026-07-05;o1\nu1;Bought;2026-07-06;o2\n"
    decided = plan(
        ID,
        {"to": "event"},
        {"to": "time", "type": "date_ymd"},
        {"to": "message_id"},
        makes="events",
    )
    source = factories.make_source()
    for _ in range(2):
        assert bring_in(text, decided, source=source).state == State.DONE
    assert list(
        Event.objects.order_by("time").values_list("message_id", flat=True)
    ) == [
        "o1",
        "o2",
    ]


def test_json_lines_keep_lists_and_find_columns_late(monkeypatch):
    monkeypatch.setattr(runner, "PIECE", 1)
    lines = [
        {"id": 9007199254740993, "city": "Köln"},
        {"id": 9007199254740992, "policies": [{"no": 1, "to": None}]},
    ]
    text = "\n\n".join(map(json.dumps, lines))
    imported = take(text, "people.jsonl")
    assert [column["name"] for column in imported.columns] == ["id", "city", "policies"]
    bring_in(
        text,
        plan(ID, attribute("city", "as_is"), attribute("policies", "as_is")),
        "people.jsonl",
    )
    assert person("9007199254740993").attributes == {"city": "Köln"}
    assert person("9007199254740992").attributes == {
        "policies": [{"no": 1, "to": None}]
    }


def test_a_file_in_another_encoding_waits_for_somebody_to_say_it():
    imported = take("id;name\nu1;Zoë\n".encode("cp1252"))
    assert (imported.state, imported.encoding) == (State.UPLOADED, "")
    offered = {one.encoding: one.preview for one in storing.candidates(imported)}
    assert offered["cp1252"] == ("u1;Zoë",)
    storing.set_encoding(imported, "cp1252")
    storing.begin(imported)
    work(imported)
    assert imported.columns[1]["examples"] == ["Zoë"]


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (("external_id", "u1"), {"new": 1, "erased": 2}),
        (("email", "bo@x.example"), {"new": 1, "repeated": 1, "erased": 1}),
    ],
)
def test_the_check_counts_nobody_who_was_erased(key, expected):
    tombstones.put([key], may_return=False)
    text = PEOPLE + "u1,ana@x.example,Ulm\n"
    imported = check(take(text), plan(ID, EMAIL, CITY))
    assert found(imported) == expected
    lifecycle.start(imported)
    work(imported)
    assert Profile.objects.count() == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("waits", [False, True])
@pytest.mark.parametrize("makes", ["people", "events"])
def test_rows_of_who_was_erased_are_counted_apart_at_the_end(makes, waits):
    """Whoever applies them: the import itself, or another worker from the inbox."""
    tombstones.put([("external_id", "u1")], may_return=False)
    text = PEOPLE + "u1,x@x.example,Ulm\nu3\nu4,d@x.example,Ulm\n"
    decided = plan(ID, EMAIL, CITY)
    if makes == "events":
        used = {"to": "property", "name": "city"}
        decided = plan(ID, {"to": "time"}, used, makes="events", event="Moved")
        text = re.sub(r"[\w@]+\.example", "2026-01-31", text, flags=re.IGNORECASE)
    imported = take(text)
    assert lifecycle.start_unchecked(imported, decided, factories.make_source())
    if waits:
        with has_the_lane():
            assert runner.turn(imported.pk, 0.1)
    work(imported)
    now = progress.of(imported)
    counts = (now.read, now.came_in, now.erased, now.bad, now.refused)
    assert counts == (5, 2, 2, 1, 0)
    came = Event.objects if makes == "events" else Profile.objects
    assert came.count() == 2
    kept = RefusedMessage.objects.values_list("message_id", "kind", "body")
    assert {(*row[:2], bytes(row[2])) for row in kept} == {
        (runner.prefix_of(imported), "", b"")
    }
    assert "u1" not in "".join(report.lines(imported))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("waits", [False, True])
def test_events_with_ids_of_their_own_are_counted_where_they_did_not_come_in(waits):
    tombstones.put([("external_id", "u9")], may_return=False)
    text = "user,order,city,at\n" + "".join(
        f"{who},{order},{city},2026-01-31\n"
        for who, order, city in (
            ("u1", "o1", "Ulm"),
            ("u1", "o1", "Kiel"),
            ("u9", "o2", "Ulm"),
            ("u2", "o3", "Bonn"),
            ("u2", "", "Köln"),
        )
    )
    decided = plan(
        ID,
        {"to": "message_id"},
        {"to": "property", "name": "city"},
        {"to": "time", "type": "date_ymd"},
        makes="events",
        event="Moved",
    )
    imported, source = take(text), factories.make_source()
    assert lifecycle.start_unchecked(imported, decided, source)
    if waits:
        with has_the_lane():
            assert runner.turn(imported.pk, 0.1)
    work(imported)

    def counts():
        now = progress.of(imported)
        return now.read, now.came_in, now.erased, now.bad, now.refused

    assert counts() == (5, 3, 1, 0, 1)
    assert Event.objects.count() == 3
    _, other = "".join(report.lines(imported)).splitlines()
    assert re.fullmatch(r',"?Another message came .*"?,,o1,,', other)
    replaying.replay(RefusedMessage.objects.filter(source=source))
    inbox.apply()
    assert RefusedMessage.objects.filter(message_id="o1").count() == 2
    assert counts() == (5, 3, 1, 0, 1)


# --- What breaks ------------------------------------------------------------------


def test_a_file_that_breaks_off_fails_with_its_line_and_loses_nothing():
    imported = take('id,city\nu1,Köln\n"u2,Bonn\nu3,Ulm\n')
    assert imported.state == State.FAILED
    assert "opens in line 3" in imported.problem


def test_a_file_over_the_cap_is_not_kept(settings, folder):
    settings.IMPORT_MAX_BYTES = 10
    with pytest.raises(FileError, match="at most"):
        storing.take("people.csv", [b"id\n", b"1\n" * 10])
    assert list(folder.iterdir()) == []


def test_a_file_that_went_away_says_so(folder):
    imported = check(take(PEOPLE), plan(ID, EMAIL, CITY))
    for path in folder.iterdir():
        path.unlink()
    lifecycle.start(imported)
    assert work(imported).state == State.FAILED
    assert "IMPORT_DIR" in imported.problem


class Killed(BaseException):
    """What nobody catches."""


@pytest.mark.parametrize("at", range(1, 8))
def test_whatever_is_killed_each_row_comes_once(monkeypatch, at):
    """A worker dies at its so-manieth commit, before or after what it appended."""
    monkeypatch.setattr(runner, "PIECE", 2)
    text = "id,city\n" + "".join(f"u{n},c{n}\n" for n in range(9)) + "bad\n"
    imported = check(take(text), plan(ID, CITY))
    lifecycle.start(imported)
    statements = 0

    def dies(execute, sql, params, many, context):
        nonlocal statements
        if "segments_import" in sql and "offset" in sql and sql.startswith("UPDATE"):
            statements += 1
            if statements == at:
                raise Killed
        return execute(sql, params, many, context)

    try:
        with connection.execute_wrapper(dies), transaction.atomic():
            runner.turn(imported.pk, 60)
    except Killed:
        Import.objects.filter(pk=imported.pk).update(held_until=None)
    assert work(imported).state == State.DONE
    assert (imported.read, imported.bad) == (10, 1)
    assert Profile.objects.count() == 9
    assert BadRow.objects.filter(of=imported).count() == 1


def test_what_is_paused_goes_on_where_it_was(monkeypatch):
    monkeypatch.setattr(runner, "PIECE", 2)
    text = "id,city\n" + "".join(f"u{n},c{n}\n" for n in range(9))
    imported = check(take(text), plan(ID, CITY))
    lifecycle.start(imported)
    # No time: one look and not a row.
    assert runner.turn(imported.pk, -1)
    assert lifecycle.pause(imported)
    assert not runner.turn(imported.pk)
    imported.refresh_from_db()
    assert (imported.state, imported.phase) == (State.PAUSED, State.RUNNING)
    assert lifecycle.resume(imported)
    assert work(imported).state == State.DONE
    assert Profile.objects.count() == 9


def test_what_is_cancelled_stays_so():
    imported = check(take(PEOPLE), plan(ID, EMAIL, CITY))
    assert lifecycle.cancel(imported)
    assert not lifecycle.start(imported)
    assert not lifecycle.resume(imported)
    assert work(imported).state == State.CANCELLED
    assert Profile.objects.count() == 0


@pytest.mark.django_db(transaction=True)
def test_who_has_it_no_more_applies_nothing():
    """Paused in the middle of a piece: its rows are not applied, and not noted."""
    imported = check(take(PEOPLE), plan(ID, EMAIL, CITY))
    lifecycle.start(imported)
    paused = []

    def pauses(execute, sql, params, many, context):
        if "INSERT INTO segments_intakeminute" in sql:
            with in_thread(lambda: paused.append(lifecycle.pause(imported))):
                pass
        return execute(sql, params, many, context)

    with connection.execute_wrapper(pauses):
        assert not runner.turn(imported.pk, 60)
    assert paused == [True]
    assert not inbox.is_waiting()
    assert Profile.objects.count() == 0
    imported.refresh_from_db()
    assert (imported.state, imported.read) == (State.PAUSED, 0)
    assert lifecycle.resume(imported)
    assert work(imported).state == State.DONE
    assert Profile.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_while_another_applies_its_rows_wait_in_the_inbox():
    imported = check(take(PEOPLE), plan(ID, EMAIL, CITY))
    lifecycle.start(imported)
    statements = []

    def asks(execute, sql, params, many, context):
        statements.append(sql)
        return execute(sql, params, many, context)

    with has_the_lane(), connection.execute_wrapper(asks):
        assert runner.turn(imported.pk, 1.0)
        assert Profile.objects.count() == 0
        assert sum(r.count for r in InboxRequest.objects.all()) == 2
    # What comes of it later stays behind those that wait.
    imported.refresh_from_db()
    assert not inbox.apply_now(imported.source, [("m1", "identify", UNKNOWN)])
    assert work(imported).state == State.DONE
    assert person("u2").attributes == {"city": "Bonn"}


@contextmanager
def has_the_lane():
    """Another worker is at the inbox."""
    taken, done = threading.Event(), threading.Event()

    def hold():
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [inbox.LOCK])
            taken.set()
            assert done.wait(60)

    with in_thread(hold):
        assert taken.wait(60)
        try:
            yield
        finally:
            done.set()


def many(count, first=0):
    rows = (f"u{n},a{n}@x.example,c{n}" for n in range(first, first + count))
    return "\n".join(["id,email,city", *rows, ""])


def test_a_plain_file_is_written_in_sets():
    """No row of it is looked at by itself: neither who is new, nor who was there."""
    decided = plan(ID, EMAIL, CITY)
    source = factories.make_source()
    for text in (many(200), many(200).replace(",c", ",d")):
        imported = check(take(text), decided, source)
        lifecycle.start(imported)
        with CaptureQueriesContext(connection) as queries:
            work(imported)
        assert Profile.objects.count() == 200
        facts = [q for q in queries if "segments_identifier i JOIN" in q["sql"]]
        assert facts == []
    assert person("u7").attributes == {"city": "d7"}
    assert not Identifier.objects.exists()
    assert not Seen.objects.exists()


def test_of_many_plain_rows_the_one_that_cannot_be_is_refused_alone():
    with connection.cursor() as cursor:
        cursor.execute(
            "ALTER TABLE segments_profile ADD CONSTRAINT odd CHECK (external_id <> 'u77')"
        )
    imported = bring_in(many(200), plan(ID, EMAIL, CITY))
    assert imported.state == State.DONE
    assert Profile.objects.count() == 199
    refused = RefusedMessage.objects.get()
    assert refused.message_id == f"{runner.prefix_of(imported)}{79:010}"


def test_files_and_bad_rows_go_when_they_are_old(folder):
    imported = bring_in("id,city\nu1,Köln\nx\n", plan(ID, CITY))
    storing.clean(imported.changed_at)
    assert len(list(folder.iterdir())) == 1
    later = imported.changed_at.replace(year=imported.changed_at.year + 1)
    assert storing.clean(later) == 1
    assert list(folder.iterdir()) == []
    imported.refresh_from_db()
    assert not imported.bad_rows.exists()
    assert imported.columns[1]["examples"] == []


def test_a_file_that_a_kill_left_without_a_row_goes(folder):
    kept = take("id,city\nu1,Köln\n")
    file = list_reading.take("guests.csv", [b"email\nana@x.example\n"], "email")
    of = factories.make_list(kind="email")
    listed = list_reading.upload_of(file, of=of, mode="add")
    list_runner.begin(listed)
    killed = storing.take("people.csv", [b"id\nu2\n"])
    young = storing.take("people.csv", [b"id\nu3\n"])
    (folder / "notes.txt").write_text("somebody's")
    (folder / ("a" * 32)).mkdir()
    # As the machine's clock has it, which may be hours off.
    day = timedelta(days=1).total_seconds()
    for file in folder.iterdir():
        age = day * (0.9 if file.name == young.path else 1.5)
        os.utime(file, (time.time() - age,) * 2)
    assert (folder / killed.path).exists()
    retention.clean()
    left = {file.name for file in folder.iterdir()}
    assert left == {kept.path, listed.path, young.path, "notes.txt", "a" * 32}
    assert storing.clean_left_behind(database_clock.now()) == 1
    assert not (folder / young.path).exists()


def test_without_a_folder_nothing_is_left_behind(folder):
    assert not folder.exists()
    assert storing.clean_left_behind(database_clock.now()) == 0


def test_a_row_may_name_somebody_by_email_or_phone_alone():
    factories.make_profile(external_id="u1", email="ana@x.example", city="Köln")
    text = "mail,tel,city\nAna@X.example,,Bonn\n,+447700900123,Ulm\nnobody,,Jena\n,,Y\n"
    decided = plan(EMAIL, {"to": "phone"}, CITY)
    imported = check(take(text), decided)
    assert found(imported) == {"new": 1, "changed": 1, "bad": 2}
    reasons = list(imported.bad_rows.order_by("line").values_list("reason", flat=True))
    assert reasons == [
        "It names nobody: its e-mail or phone is none that people are known by.",
        "It names nobody: what could say who it is, is empty.",
    ]
    lifecycle.start(imported)
    work(imported)
    assert person("u1").attributes == {"city": "Bonn"}
    stranger = Profile.objects.get(phone="+447700900123")
    assert (stranger.external_id, stranger.attributes) == (None, {"city": "Ulm"})
    again = check(take(text), decided)
    assert found(again) == {"same": 2, "bad": 2}


def test_an_email_of_two_known_people_names_neither():
    factories.make_profile(external_id="u1", email="ana@x.example", city="Köln")
    factories.make_profile(external_id="u2", email="ana@x.example", city="Köln")
    text = "mail,city\nana@x.example,Bonn\n"
    imported = bring_in(text, plan(EMAIL, CITY))
    assert found(imported) == {"new": 1}
    assert {person(u).attributes["city"] for u in ("u1", "u2")} == {"Köln"}
    assert found(check(take(text), plan(EMAIL, CITY))) == {"same": 1}


def test_without_a_check_it_is_imported_all_the_same():
    imported = take(PEOPLE)
    source = factories.make_source()
    assert lifecycle.start_unchecked(imported, plan(ID, EMAIL, CITY), source)
    assert work(imported).state == State.DONE
    assert person("u2").attributes == {"city": "Bonn"}
