"""SQL sources: rows of real databases become people, those that are new each time."""

from datetime import UTC, datetime, timedelta

import duckdb
import psycopg
import pytest
from django.core.management import call_command
from django.db import connection
from django.urls import reverse

from lemnisk_braze.lib import database_clock, sealing
from segments.imports.feeding import address, preview, queries, watermark
from segments.imports.feeding.address import AddressError
from segments.models import Event, Import, Profile, SourceQuery
from tests import factories
from tests.doubles import tcp
from tests.segments.imports.conftest import work

pytestmark = pytest.mark.django_db(transaction=True)

Kind = SourceQuery.Kind
QUERY = "SELECT * FROM warehouse.people -- all of them"


@pytest.fixture
def warehouse():
    """A schema of the tests' own PostgreSQL; a connection that commits at once."""
    info = connection.get_connection_params()
    info = {k: info[k] for k in ("dbname", "user", "host", "password") if info.get(k)}
    with psycopg.connect(**info, autocommit=True) as other:
        other.execute("CREATE SCHEMA warehouse")
        other.execute(
            "CREATE TABLE warehouse.people (id text, mail text, city text,"
            " updated timestamptz)"
        )
        yield other
        other.execute("DROP SCHEMA warehouse CASCADE")


@pytest.fixture
def dsn(warehouse, settings):
    """The address of the same server, over TCP."""
    info = warehouse.info
    with tcp.port_for(f"{info.host}/.s.PGSQL.{info.port}") as port:
        settings.ALLOWED_LOCAL_ADDRESSES = [f"127.0.0.1:{port}"]
        yield f"postgresql://{info.user}:secret@127.0.0.1:{port}/{info.dbname}"


@pytest.fixture
def source_query(dsn):
    def make(**fields):
        values = {
            "name": "Warehouse",
            "kind": Kind.POSTGRESQL,
            "query": QUERY,
            "columns": "id=external_id, mail=email",
            "watermark_column": "updated",
            "source": factories.make_source(),
            **fields,
        }
        at = values.pop("address", dsn)
        made = SourceQuery.objects.create(**values)
        queries.set_address(made, at)
        return made

    return make


def sync(query):
    """Run it once, to its end; return its import, or None."""
    taken = queries.run(query.pk, by_hand=True)
    query.refresh_from_db()
    if taken is None:
        return None
    done = work(taken)
    assert done.state == Import.State.DONE, done.problem
    query.refresh_from_db()
    return done


def put(warehouse, id, city, updated="2026-01-31 10:00+00"):
    warehouse.execute(
        "INSERT INTO warehouse.people VALUES (%s, %s, %s, %s)",
        [id, f"{id}@x.example" if id else None, city, updated],
    )


def cities():
    return dict(Profile.objects.values_list("external_id", "attributes__city"))


# --- The rows of a query --------------------------------------------------------------


def test_rows_of_postgresql_become_people(warehouse, source_query):
    put(warehouse, "u1", "Köln")
    put(warehouse, "u2", "Ulm")
    done = sync(source_query())
    assert (done.read, done.bad) == (2, 0)
    assert cities() == {"u1": "Köln", "u2": "Ulm"}
    assert Profile.objects.get(external_id="u1").email == "u1@x.example"


def test_rows_of_duckdb_become_people(source_query, settings, tmp_path):
    settings.IMPORT_FROM = [str(tmp_path)]
    file = tmp_path / "warehouse.duckdb"
    with duckdb.connect(str(file)) as other:
        other.execute(
            "CREATE TABLE people AS SELECT 'u' || n AS id, n AS score, NULL::TEXT AS city,"
            " TIMESTAMPTZ '2026-01-31 10:00+00' + n * INTERVAL 1 SECOND AS updated"
            " FROM range(5000) t(n)"
        )
    query = source_query(
        kind=Kind.DUCKDB,
        address=str(file),
        query="SELECT * FROM people;",
        columns="id=external_id",
    )
    assert sync(query).read == 5_000
    last = Profile.objects.get(external_id="u4999")
    assert last.attributes == {"score": 4_999}
    with duckdb.connect(str(file)) as other:
        other.execute("INSERT INTO people VALUES ('v', 1, 'Ulm', '2026-02-01 10:00Z')")
    # 600 seconds are looked back.
    assert sync(query).read == 602
    assert query.watermark == ["timestamptz", "2026-02-01T10:00:00+00:00"]


def test_types_come_as_they_are(warehouse, source_query):
    warehouse.execute(
        "CREATE VIEW warehouse.typed AS SELECT 'u1' AS id, '007' AS text,"
        " 4.50::numeric AS money, 9007199254740993::numeric AS long,"
        " 9007199254740993 AS big, 5::numeric AS whole, 0.1::float8 AS float,"
        " true AS yes, DATE '2024-02-29' AS day,"
        " TIMESTAMPTZ '2026-01-31 02:00-08' AS at,"
        """ '[{"id": 1}]'::jsonb AS list, ARRAY['a', 'b'] AS tags"""
    )
    query = source_query(
        query="SELECT * FROM warehouse.typed",
        columns="id=external_id",
        watermark_column="",
    )
    sync(query)
    assert Profile.objects.get().attributes == {
        "text": "007",
        "money": 4.5,
        "long": 9007199254740993,
        "big": 9007199254740993,
        "whole": 5,
        "float": 0.1,
        "yes": True,
        "day": "2024-02-29",
        "at": "2026-01-31T10:00:00+00:00",
        "list": [{"id": 1}],
        "tags": ["a", "b"],
    }


ODD_VALUES = {
    "forever": ("'infinity'::timestamptz", None),
    "since ever": ("'-infinity'::date", None),
    "infinite": ("'infinity'::float8", None),
    "no number": ("'NaN'::numeric", None),
    "exact": ("12345678901234567.89::numeric", "12345678901234567.89"),
    "long": ("123456789012345678901::numeric", "123456789012345678901"),
    "bytes": (r"'\xfffe'::bytea", "fffe"),
    "texts in bytes": ("'Ulm'::bytea", "Ulm"),
    "in JSON": ("""'["x"]'::jsonb""", ["x"]),
}


@pytest.mark.parametrize(("value", "arrives"), ODD_VALUES.values(), ids=ODD_VALUES)
def test_an_odd_value_stops_no_other(warehouse, source_query, value, arrives):
    warehouse.execute(
        "CREATE VIEW warehouse.odd AS"
        f" SELECT 'u1' AS id, {value} AS x UNION ALL SELECT 'u2', NULL"
    )
    query = source_query(
        query="SELECT * FROM warehouse.odd", columns="id=external_id,x=attribute:x"
    )
    query.watermark_column = ""
    query.save()
    assert (sync(query).bad, query.problem) == (0, "")
    assert everybody() == {"u1": {} if arrives is None else {"x": arrives}, "u2": {}}


def test_a_number_that_is_too_long_is_a_bad_row(warehouse, source_query):
    warehouse.execute(
        "CREATE VIEW warehouse.odd AS SELECT 'u1' AS id,"
        " '[123456789012345678901]'::jsonb AS x UNION ALL SELECT 'u2', '[1]'::jsonb"
    )
    query = source_query(
        query="SELECT * FROM warehouse.odd",
        columns="id=external_id,x=attribute:x",
        watermark_column="",
    )
    assert (sync(query).bad, query.problem) == (1, "")
    assert everybody() == {"u2": {"x": [1]}}


def everybody():
    return {p.external_id: p.attributes for p in Profile.objects.all()}


def test_a_time_that_never_ends_is_no_watermark(warehouse, source_query):
    put(warehouse, "u1", "Köln")
    warehouse.execute(
        "INSERT INTO warehouse.people VALUES ('u2', '', 'Ulm', 'infinity')"
    )
    query = source_query()
    assert sync(query).read == 2
    assert cities() == {"u1": "Köln", "u2": "Ulm"}
    assert "9999" > query.watermark[1] > "2000"


def test_null_is_kept_or_cleared_and_a_row_that_is_gone_changes_nobody(
    warehouse, source_query
):
    put(warehouse, "u1", "Köln")
    put(warehouse, "u2", "Ulm")
    query = source_query(watermark_column="")
    sync(query)
    warehouse.execute("UPDATE warehouse.people SET city = NULL WHERE id = 'u1'")
    warehouse.execute("DELETE FROM warehouse.people WHERE id = 'u2'")
    sync(query)
    assert cities() == {"u1": "Köln", "u2": "Ulm"}
    query.empty = "clear"
    query.save()
    sync(query)
    assert cities() == {"u1": None, "u2": "Ulm"}


# --- The watermark --------------------------------------------------------------------


def test_rows_of_the_same_time_as_the_watermark_come(warehouse, source_query):
    query = source_query(look_back=0)
    put(warehouse, "u1", "Köln")
    sync(query)
    put(warehouse, "u2", "Ulm")
    sync(query)
    assert cities() == {"u1": "Köln", "u2": "Ulm"}
    assert not Import.objects.filter(read__gt=2).exists()


def test_what_was_stamped_early_and_committed_late_comes(warehouse, source_query):
    query = source_query(look_back=600)
    put(warehouse, "u2", "Ulm", "2026-01-31 10:01+00")
    sync(query)
    put(warehouse, "u1", "Köln", "2026-01-31 10:00+00")
    sync(query)
    assert cities() == {"u1": "Köln", "u2": "Ulm"}


def test_what_comes_again_does_not_overwrite_what_was_said_since(
    warehouse, source_query, client
):
    query = source_query(look_back=600)
    put(warehouse, "u1", "Köln", "2026-01-31 10:00+00")
    sync(query)
    from segments.ingest import inbox

    said = {"userId": "u1", "timestamp": "2026-01-31T10:05:00+00:00"}
    inbox.append(
        query.source, [("m1", "identify", {**said, "traits": {"city": "Rom"}})]
    )
    inbox.apply()
    sync(query)
    assert cities() == {"u1": "Rom"}


def test_rows_without_a_watermark_come_each_time(warehouse, source_query):
    query = source_query(look_back=0)
    put(warehouse, "u1", "Köln")
    put(warehouse, "u2", "Ulm", None)
    assert sync(query).read == 2
    put(warehouse, "u3", "Jena", None)
    assert sync(query).read == 3
    assert cities() == {"u1": "Köln", "u2": "Ulm", "u3": "Jena"}


def test_bounds_do_not_depend_on_a_session_s_zone(warehouse, source_query):
    warehouse.execute("ALTER TABLE warehouse.people ALTER updated TYPE timestamptz")
    query = source_query(look_back=0)
    put(warehouse, "u1", "Köln", "2026-01-31 10:00+00")
    sync(query)
    assert query.watermark == ["timestamptz", "2026-01-31T10:00:00+00:00"]
    user = warehouse.info.user
    warehouse.execute(f"ALTER ROLE \"{user}\" SET TimeZone = 'America/Los_Angeles'")
    try:
        put(warehouse, "u2", "Ulm", "2026-01-31 10:00:01+00")
        put(warehouse, "u0", "Alt", "2026-01-31 09:59:59+00")
        assert sync(query).read == 2
    finally:
        warehouse.execute(f'ALTER ROLE "{user}" RESET TimeZone')
    assert query.watermark == ["timestamptz", "2026-01-31T10:00:01+00:00"]


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (["number", "17"], '>= 10 OR lb_rows."a""b" IS NULL'),
        (["timestamp", "2026-01-31T10:00:00"], ">= TIMESTAMP '2026-01-31T09:59:53'"),
        (["date", "2026-03-01"], ">= DATE '2026-02-28'"),
        (["text", "it's"], ">= 'it''s'"),
    ],
)
def test_a_watermark_has_the_type_of_its_column(found, expected):
    assert expected in watermark.statement("SELECT 1;", 'a"b', found, 7)


def test_the_watermark_waits_for_the_rows(warehouse, source_query):
    put(warehouse, "u1", "Köln")
    query = source_query()
    taken = queries.run(query.pk, by_hand=True)
    query.refresh_from_db()
    assert (query.watermark, taken.watermark[1]) == (None, "2026-01-31T10:00:00+00:00")
    # Nor is it asked again before.
    assert queries.run(query.pk, by_hand=True) is None
    query.refresh_from_db()
    assert "not all in yet" in query.problem
    work(taken)
    query.refresh_from_db()
    assert query.watermark == taken.watermark


def test_events_of_a_query_happen_once(warehouse, source_query):
    put(warehouse, "u1", "Köln")
    query = source_query(
        query="SELECT id, mail AS event_id, updated, city FROM warehouse.people",
        makes="events",
        event="Moved",
        columns="id=external_id, event_id=message_id, updated=time, city=property",
    )
    sync(query)
    sync(query)
    event = Event.objects.get()
    assert event.time == datetime(2026, 1, 31, 10, tzinfo=UTC)


def test_nothing_new_makes_no_import(warehouse, source_query):
    assert sync(source_query()) is None
    assert SourceQuery.objects.get().problem == ""
    assert not Import.objects.exists()


# --- What may go wrong ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"query": "SELECT nothing FROM warehouse.people"}, "nothing"),
        ({"query": "DELETE FROM warehouse.people RETURNING *"}, "syntax error"),
        (
            {"query": "WITH d AS (DELETE FROM warehouse.people RETURNING *) TABLE d"},
            "data-modifying",
        ),
        ({"query": "SELECT nextval('warehouse.s'), 'x' AS updated"}, "read-only"),
        ({"query": "SELECT 1 AS id) x; DROP TABLE warehouse.people; --"}, "syntax"),
        ({"watermark_column": "changed"}, "no column “changed”"),
        ({"query": "SELECT 1 AS a, 2 AS a", "watermark_column": ""}, "same name"),
    ],
)
def test_what_the_database_says_is_said(warehouse, source_query, fields, words):
    warehouse.execute("CREATE SEQUENCE warehouse.s")
    put(warehouse, "u1", "Köln")
    query = source_query(**fields)
    assert sync(query) is None
    assert words in query.problem
    assert "secret" not in query.problem
    assert warehouse.execute("SELECT count(*) FROM warehouse.people").fetchone() == (1,)
    assert query.held_until is None


def test_a_query_has_its_time_and_its_rows(warehouse, source_query, settings):
    settings.SQL_SECONDS = 1
    query = source_query(query="SELECT pg_sleep(20)::text AS id", watermark_column="")
    assert sync(query) is None
    assert "statement timeout" in query.problem
    settings.SQL_SECONDS, settings.SQL_MAX_ROWS = 60, 10
    query.query = "SELECT n::text AS id FROM generate_series(1, 11) n"
    query.save()
    assert sync(query) is None
    assert "more than 10 rows" in query.problem
    settings.SQL_MAX_ROWS, settings.IMPORT_MAX_BYTES = 1_000, 10
    assert sync(query) is None
    assert "MB" in query.problem
    assert not list(settings.IMPORT_DIR.glob("*"))


@pytest.mark.parametrize(
    ("kind", "at", "words"),
    [
        (Kind.POSTGRESQL, "postgresql://u:p@127.0.0.1:1/db", "public internet"),
        (Kind.POSTGRESQL, "postgresql://u:p@[::1]/db", "public internet"),
        (Kind.POSTGRESQL, "postgresql://u:p@/db?host=/var/run", "no valid host"),
        (Kind.POSTGRESQL, "postgresql://a.example/db?hostaddr=127.0.0.1", "is none of"),
        (Kind.POSTGRESQL, "postgresql://a.example/db?service=x", "is none of"),
        (Kind.POSTGRESQL, "postgresql://a.example,b.example/db", "no valid host"),
        (Kind.POSTGRESQL, "host=127.0.0.1", "Write the address as"),
        (Kind.POSTGRESQL, "postgresql://a.example:x/db", "no valid host or port"),
        (Kind.DUCKDB, "/etc/passwd", "IMPORT_FROM"),
        (Kind.DUCKDB, "relative.duckdb", "whole path"),
    ],
)
def test_an_address_that_leads_elsewhere_is_refused(kind, at, words):
    with pytest.raises(AddressError, match=words):
        address.check(kind, at)


def test_a_name_that_leads_inside_is_refused_when_it_is_dialled():
    at = "postgresql://u:p@localhost/db"
    address.check(Kind.POSTGRESQL, at)
    with pytest.raises(AddressError, match="public internet"):
        address.dialled(Kind.POSTGRESQL, at)


def test_a_link_out_of_the_folder_is_no_way(settings, tmp_path):
    settings.IMPORT_FROM = [str(tmp_path / "in")]
    (tmp_path / "in").mkdir()
    (tmp_path / "secret.duckdb").touch()
    (tmp_path / "in" / "link").symlink_to(tmp_path / "secret.duckdb")
    with pytest.raises(AddressError):
        address.check(Kind.DUCKDB, str(tmp_path / "in" / "link"))


def test_duckdb_reads_no_other_file(source_query, settings, tmp_path):
    settings.IMPORT_FROM = [str(tmp_path)]
    file = tmp_path / "warehouse.duckdb"
    duckdb.connect(str(file)).close()
    (tmp_path / "other.csv").write_text("id\nu1\n")
    query = source_query(
        kind=Kind.DUCKDB,
        address=str(file),
        query=f"SELECT * FROM read_csv('{tmp_path}/other.csv')",
        watermark_column="",
    )
    assert sync(query) is None
    assert "disabled" in query.problem


def test_the_address_is_kept_encrypted_and_moves_with_the_keys(
    source_query, dsn, settings
):
    query = source_query()
    assert "secret" not in query.address_encrypted
    assert "secret" not in query.address_shown
    assert query.address_shown.startswith("127.0.0.1:")
    settings.SECRETS_KEYS = ["another", *settings.SECRETS_KEYS]
    call_command("rotate_secrets")
    settings.SECRETS_KEYS = ["another"]
    query.refresh_from_db()
    assert sealing.unseal(query, query.address_encrypted) == dsn
    other = source_query(name="Other")
    with pytest.raises(sealing.SealError):
        sealing.unseal(other, query.address_encrypted)


# --- The schedule ---------------------------------------------------------------------


def test_it_runs_when_it_is_due_and_by_one_alone(warehouse, source_query):
    put(warehouse, "u1", "Köln")
    query = source_query(every=60)
    before = database_clock.now()
    work(queries.run(query.pk))
    query.refresh_from_db()
    due = query.due_at - before
    assert timedelta(minutes=60) <= due < timedelta(minutes=61)
    assert queries.run(query.pk) is None
    assert Import.objects.count() == 1
    past = database_clock.now() - timedelta(minutes=10)
    SourceQuery.objects.update(due_at=past)
    work(queries.run(query.pk))
    query.refresh_from_db()
    # No run drifts.
    assert query.due_at == past + timedelta(minutes=60)


def test_who_holds_it_is_waited_for_and_a_killed_one_is_not(warehouse, source_query):
    put(warehouse, "u1", "Köln")
    query = source_query(every=60)
    now = database_clock.now()
    SourceQuery.objects.update(held_until=now + timedelta(minutes=1))
    assert queries.run(query.pk) is None
    SourceQuery.objects.update(held_until=now - timedelta(seconds=1))
    assert work(queries.run(query.pk)).state == Import.State.DONE


# --- The first rows, looked at before any comes in ------------------------------------


def preview_page(client, query):
    client.force_login(factories.make_admin())
    address = reverse("admin:segments_sourcequery_preview", args=[query.pk])
    return client.post(address).content.decode()


def test_first_rows_show_what_columns_become(client, warehouse, source_query):
    put(warehouse, "u1", "Köln")
    put(warehouse, None, None)
    # The watermark is of no concern: all rows are old.
    query = source_query(
        columns="id=external_id, updated=attribute:seen:date_ymd, mail=-",
        watermark=["time", "2030-01-01T00:00Z"],
    )
    page = preview_page(client, query)
    assert "u1@x.example" in page and "Köln" in page
    assert "External ID" in page
    assert "Attribute “city”<" in page and "Left out" in page
    assert "Attribute “seen”, date (2026-07-05)" in page
    assert not Profile.objects.exists()
    assert not Import.objects.exists()


def test_first_rows_are_at_most_twenty(warehouse, source_query):
    for number in range(25):
        put(warehouse, f"u{number}", "Ulm")
    assert len(preview.ask(source_query()).rows) == preview.ROWS


def test_first_rows_of_which_nothing_can_be_made(client, warehouse, source_query):
    put(warehouse, "u1", "Köln")
    page = preview_page(client, source_query(columns="kunde=external_id"))
    assert "Nothing can be made of these rows yet: There is no column “kunde”." in page
    assert "Köln" in page


def test_a_query_that_fails_says_why(client, warehouse, source_query):
    page = preview_page(client, source_query(query="SELECT nonsense"))
    assert "The database gave no rows: " in page
    assert "nonsense" in page and "secret" not in page


def test_no_first_rows(client, warehouse, source_query):
    assert "It gives no rows now." in preview_page(client, source_query())


def test_first_rows_are_masked(client, warehouse, source_query):
    put(warehouse, "u1", "Köln")
    user = factories.make_user(
        "segments.view_sourcequery", "segments.change_sourcequery"
    )
    client.force_login(user)
    query = source_query()
    address = reverse("admin:segments_sourcequery_preview", args=[query.pk])
    page = client.post(address).content.decode()
    assert "Values are masked" in page
    assert "u1@x.example" not in page and "K…" in page
    assert client.get(address).status_code == 405
