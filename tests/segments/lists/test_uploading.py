"""A file becomes a list: what each row comes to, and who enters and leaves by it."""

import threading
from contextlib import ExitStack

import pytest
from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.db.models import ProtectedError

from segments.imports.reading.rows import FileError
from segments.ingest import inbox
from segments.lists import changes, reading, report, runner
from segments.membership import counting, refresh
from segments.membership.references import graph
from segments.models import Identifier, ListLine, ListUpload, Profile, Segment
from tests import factories, plans
from tests.doubles.sessions import somebody_waits_for_a_lock
from tests.faults.working import in_thread
from tests.segments.lists.conftest import emails, on, put, take, work
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db

State = ListUpload.State


def asking(of, **fields):
    """A segment of who is on the list, counted."""
    segment = factories.make_segment(rule={"list": of.pk}, **fields)
    refresh.refresh(segment.pk)
    return segment


def members(segment):
    return set(segment.memberships.values_list("profile__external_id", flat=True))


def people(*ids):
    return [
        factories.make_profile(external_id=id, email=f"{id}@x.example") for id in ids
    ]


def test_each_row_comes_to_one_thing_and_all_of_them_add_up():
    """TRAPS.md, segments 12: 2 new, 1 member, 1 unknown, 1 blank, 1 twice."""
    people("a", "b", "c")
    of = emails("c@x.example")
    data = "email\na@x.example\nB@x.example \nc@x.example\nd@x.example\n\na@x.example\n"
    upload = take(of, data)
    assert upload.state == State.READY
    assert upload.found == {
        "new": 2,
        "already": 1,
        "unknown": 1,
        "blank": 1,
        "twice": 1,
    }
    assert upload.rows == 6 == sum(upload.found.values())
    assert on(of) == {"c@x.example"}, "nothing is changed before somebody says so"
    shown = [(row.line, row.value, row.kind) for row in report.unmatched(upload)]
    assert shown == [
        (5, "d@x.example", "unknown"),
        (6, "", "blank"),
        (7, "a@x.example", "twice"),
    ]
    text = "".join(report.lines(upload))
    assert "5,d@x.example,Of nobody we know" in text

    runner.write(upload)
    work(upload)
    assert upload.state == State.DONE
    assert on(of) == {f"{c}@x.example" for c in "abcd"}
    of.refresh_from_db()
    assert of.size == 4


@pytest.mark.parametrize(
    ("kind", "data", "expected"),
    [
        # One identifier on each line, without a name of the column.
        ("external_id", "u1\nu2\n", {"u1", "u2"}),
        ("external_id", "u1", {"u1"}),
        # The name is known.
        ("external_id", "Customer ID\nu1\n", {"u1"}),
        ("email", "E-Mail\tcity\na@x.example\tKöln\n", {"a@x.example"}),
        ("email", "city;mail\nKöln;A@X.example\n", {"a@x.example"}),
        ("phone", "phone\n+44 7700 900123\n", {"+447700900123"}),
        ("loyalty_card", "loyalty card,x\nL1,2\n", {"L1"}),
        ("external_id", '{"id": 7}\n{"id": "u2", "x": 1}\n', {"7", "u2"}),
        ("external_id", "u1\r\nu2\r\n", {"u1", "u2"}),
        ("external_id", b"\xff\xfeu\x001\x00\n\x00", {"u1"}),
    ],
)
def test_a_file_is_read_in_whatever_form_it_comes(kind, data, expected):
    of = factories.make_list(kind=kind)
    upload = put(of, data)
    assert upload.state == State.DONE, upload.problem
    assert on(of) == expected
    assert sum(upload.found.values()) == upload.rows


def test_of_several_columns_somebody_says_which_it_is(folder):
    of = factories.make_list(kind="email")
    upload = take(of, "first,second\nx,a@x.example\n")
    assert upload.state == State.UPLOADED
    assert runner.say_column(upload, 1)
    work(upload)
    assert upload.state == State.READY
    assert list(folder.iterdir()) == [], "the file is gone when it is read"
    runner.write(upload)
    work(upload)
    assert on(of) == {"a@x.example"}


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"PK\x03\x04...", "Save the sheet as CSV"),
        (b"\xe9t\xe9@x.example\n", "Save it in UTF-8"),
    ],
)
def test_what_is_no_list_is_refused_and_not_kept(folder, data, words):
    with pytest.raises(FileError, match=words):
        reading.take("x.csv", [data], "email")
    assert not folder.exists() or list(folder.iterdir()) == []


def test_what_nobody_can_have_is_refused_with_why():
    of = factories.make_list(kind="email")
    upload = put(
        of, f"email,x\nnobody,1\n{'a' * 990}@x.example,1\nundefined@,1\na,b,c\n"
    )
    lines = ListLine.objects.filter(upload=upload).order_by("line")
    assert [(row.kind, row.reason) for row in lines] == [
        ("refused", "It is no e-mail address."),
        ("refused", "It is longer than 987 characters."),
        ("refused", "It is no e-mail address."),
        ("refused", "It has 3 columns, and the header 2."),
    ]
    assert upload.found == {"refused": 4} and on(of) == set()


def test_what_a_spreadsheet_has_rounded_is_refused():
    """4.477E+11 is every number that begins so."""
    of = factories.make_list(kind="phone")
    upload = put(of, 'phone\n4.477E+11\n"4,47701E+11"\n+447700900123\n')
    lines = ListLine.objects.filter(upload=upload).order_by("line")
    assert [(row.kind, "spreadsheet" in row.reason) for row in lines] == [
        ("refused", True),
        ("refused", True),
        ("unknown", False),
    ]
    assert on(of) == {"+447700900123"}


def test_what_is_no_text_in_json_lines_names_nobody():
    of = factories.make_list()
    upload = put(of, '{"id": 7}\n{"id": ["u1"]}\n{"id": {"a": 1}}\n{"id": true}\n')
    lines = ListLine.objects.filter(upload=upload, kind="refused").order_by("line")
    assert [(row.value, row.reason) for row in lines] == [
        ('["u1"]', "It is neither a text nor a number."),
        ('{"a": 1}', "It is neither a text nor a number."),
        ("true", "It is neither a text nor a number."),
    ]
    assert on(of) == {"7"}


def test_a_list_is_replaced_and_who_is_not_in_it_leaves():
    people("a", "b", "c")
    of = factories.make_list("a", "b")
    segment = asking(of)
    assert members(segment) == {"a", "b"}
    upload = take(of, "b\nc\n", mode="replace")
    assert (upload.found, upload.going) == ({"new": 1, "already": 1}, 1)
    runner.write(upload)
    work(upload)
    assert on(of) == {"b", "c"}
    assert members(segment) == {"b", "c"}, "in the transaction that changes the list"


def test_a_large_change_is_followed_by_a_count():
    people("a", "b", "c")
    of = factories.make_list("a")
    segment = asking(of)
    others = "".join(f"other-{n}\n" for n in range(changes.FEW))
    put(of, f"b\nc\n{others}")
    segment.refresh_from_db()
    assert segment.refreshed_at is None and members(segment) == {"a"}
    refresh.refresh(segment.pk)
    assert members(segment) == {"a", "b", "c"}


@pytest.fixture
def call(db):
    source = factories.make_source()
    numbers = iter(range(1_000))

    def call(kind="identify", **payload):
        payload.setdefault("timestamp", "2026-01-31T12:00:00.000000+00:00")
        inbox.append(source, [(f"m{next(numbers):03}", kind, payload)])
        inbox.apply()

    return call


def test_who_appears_later_with_an_identifier_is_on_the_list_then(call):
    of = emails("late@x.example")
    segment = asking(of)
    call(userId="late", traits={"email": "Late@x.example"})
    assert members(segment) == {"late"}


def test_a_device_that_is_said_of_somebody_known_counts_from_then_on(call):
    call(userId="ann")
    of = factories.make_list("device-1", kind="anonymous_id")
    segment = asking(of)
    assert members(segment) == set()
    # Nothing else of Ann is new.
    call(userId="ann", anonymousId="device-1")
    assert members(segment) == {"ann"}


def test_who_is_one_with_somebody_is_on_the_list_by_any_of_their_identifiers(call):
    call(userId="old")
    call(userId="new")
    of = factories.make_list("old")
    segment = asking(of)
    call("alias", userId="new", previousId="old")
    assert members(segment) == {"new"}
    assert Segment.objects.get(pk=segment.pk).size == 1
    refresh.refresh(segment.pk)
    assert members(segment) == {"new"}, "everybody is asked the same"


@pytest.mark.parametrize("kind", ["email", "loyalty_card", "external_id"])
def test_everybody_and_a_few_are_found_alike(kind):
    """The two forms of the condition, person by person, whatever says the identifier."""
    one, two, part = people("one", "two", "part")
    Profile.objects.filter(pk=part.pk).update(
        merged_into=two, external_id=None, email=""
    )
    said = {"profile": part, "kind": kind, "value": "PART@x.example"}
    Identifier.objects.create(**said)
    Identifier.objects.create(profile=one, kind=kind, value="void", is_void=True)
    of = factories.make_list(
        "one@x.example", "one", "PART@x.example", "void", kind=kind
    )
    segment = factories.make_segment(rule={"list": of.pk})
    refresh.evaluate([one.pk, two.pk, part.pk])
    few = members(segment)
    segment.memberships.all().delete()
    refresh.refresh(segment.pk)
    assert members(segment) == few
    assert few == {"two"} | ({"one"} if kind != "loyalty_card" else set())


def test_an_upload_goes_on_where_it_was_after_a_kill():
    of = factories.make_list()
    taken = reading.take(
        "x.txt", [b"".join(b"u%d\n" % n for n in range(9_000))], of.kind
    )
    upload = reading.upload_of(taken, of=of, mode="add")
    upload.save()
    assert runner.turn(upload.pk, 0.0)
    # A piece is committed, and the worker gone.
    with transaction.atomic():
        rows = 0
        with runner.storing.stream_of(upload) as stream:
            reader = reading.reader_of(upload, stream)
            some = reading.first_row(upload, reader) + reader.read(reading.PIECE)
            reading.keep(upload, some)
            rows = len(some)
            ListUpload.objects.filter(pk=upload.pk).update(
                rows=rows, offset=reader.position.offset, line=reader.position.line
            )
    assert 0 < rows < 9_000
    work(upload)
    assert (upload.rows, upload.found) == (9_000, {"unknown": 9_000})


@pytest.mark.parametrize("kind", ["external_id", "email", "loyalty_card"])
@pytest.mark.parametrize("rows", [0, 1])
def test_rows_are_not_compared_with_each_other_whatever_statistics_say(kind, rows):
    """What autovacuum saw of tables that were just emptied, or hardly filled."""
    of = factories.make_list(*["before"] * rows, kind=kind)
    for _ in range(rows):
        factories.make_list_upload(of=of)
        Identifier.objects.create(
            profile=factories.make_profile(), kind=kind, value="before"
        )
    values = [f"u{n}@x.example" for n in range(2_000)]
    on_it, new, unknown = values[:1_500], values[1_500:1_800], values[1_800:]
    with connection.cursor() as cursor:
        cursor.execute(
            "ANALYZE segments_profile, segments_identifier, segments_listline,"
            " segments_listentry"
        )
        cursor.execute(PEOPLE, [on_it + new])
        cursor.execute(SAID, [kind])
        cursor.execute(ENTRIES, [of.pk, on_it])
    with plans.watched() as watched:
        upload = take(of, "\n".join(on_it[1_000:] + new + unknown), mode="replace")
        assert runner.write(upload)
        work(upload)
    assert upload.found == {"already": 500, "new": 300, "unknown": 200}
    assert upload.going == 1_000 + rows
    assert on(of) == set(on_it[1_000:] + new + unknown)
    assert max(watched) < 10 * len(values)


PEOPLE = """
INSERT INTO segments_profile (external_id, email) SELECT v, v FROM unnest(%s::text[]) v
"""
SAID = """
INSERT INTO segments_identifier (profile_id, kind, value)
SELECT id, %s, external_id FROM segments_profile WHERE external_id LIKE 'u%%'
"""
ENTRIES = """
INSERT INTO segments_listentry (of_id, value) SELECT %s, unnest(%s::text[])
"""


def test_two_uploads_to_one_list_are_both_written():
    people("a", "b")
    of = factories.make_list()
    first, second = take(of, "a\nb\n"), take(of, "b\n")
    for upload in (first, second):
        runner.write(upload)
        work(upload)
    assert on(of) == {"a", "b"}
    assert second.found == {"already": 1}, "as it was when it was written"


def test_what_is_cancelled_changes_nothing_and_leaves_nothing(folder):
    of = factories.make_list("a")
    for data in ("b\n", "x,y\n1,2\n"):
        upload = take(of, data)
        assert runner.cancel(upload)
        assert not runner.write(upload)
        assert upload.lines.count() == 0
    assert on(of) == {"a"} and list(folder.iterdir()) == []


def test_a_list_goes_with_all_that_was_uploaded(folder):
    of = factories.make_list("a")
    put(of, "b\nc\n")
    assert take(of, "first,second\nx,y\n").state == State.UPLOADED
    assert len(list(folder.iterdir())) == 1
    changes.delete(of)
    assert ListLine.objects.count() == 0
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM segments_listentry")
        assert cursor.fetchone() == (0,)
    assert list(folder.iterdir()) == []


@pytest.mark.django_db(transaction=True)
def test_a_list_that_a_rule_just_begins_to_ask_for_is_not_deleted():
    of, segment = factories.make_list("a"), factories.make_segment()
    refused = []

    def delete():
        try:
            changes.delete(of)
        except ProtectedError as e:
            refused.extend(e.protected_objects)
        finally:
            connection.close()

    thread = threading.Thread(target=delete)
    with transaction.atomic():
        segment.rule = {"list": of.pk}
        counting.mark_changed(segment)
        segment.save()
        thread.start()
        wait_until(somebody_waits_for_a_lock, "the other waits")
    thread.join(20)
    assert refused == [segment]
    assert on(of) == {"a"}


@pytest.mark.django_db(transaction=True)
def test_who_saves_a_rule_does_not_wait_until_its_list_is_written():
    """Else all that comes in would wait for their segment."""
    of, segment = factories.make_list("a"), factories.make_segment()
    other = connection.copy()
    with other.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute(
            "SELECT FROM segments_uploadedlist WHERE id = %s FOR UPDATE", [of.pk]
        )
        with (
            pytest.raises(ValidationError, match="is just being written"),
            transaction.atomic(),
        ):
            graph.check(segment, {"list": of.pk})
        cursor.execute("ROLLBACK")
    other.close()
    with transaction.atomic():
        graph.check(segment, {"list": of.pk})


@pytest.mark.django_db(transaction=True)
def test_segments_are_locked_in_order_of_id_before_they_are_counted_anew():
    """Whatever their names: else two who lock both wait for each other."""
    of = factories.make_list()
    first, second = (
        factories.make_segment(rule={"list": of.pk}, name=name) for name in "ba"
    )
    upload = take(of, "".join(f"other-{n}\n" for n in range(changes.FEW + 1)))
    assert runner.write(upload)
    held = Segment.objects.select_for_update(no_key=True, nowait=True)
    with ExitStack() as stack, transaction.atomic():
        held.get(pk=first.pk)
        stack.enter_context(in_thread(lambda: runner.turn(upload.pk)))
        wait_until(somebody_waits_for_a_lock, "the upload")
        held.get(pk=second.pk)
    assert len(on(of)) == changes.FEW + 1
