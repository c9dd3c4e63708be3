"""Lists that a database keeps: what a query gives, asked again and again."""

from datetime import timedelta

import duckdb
import psycopg
import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.urls import reverse

from lemnisk_braze.lib import database_clock
from segments.imports.feeding import queries
from segments.life import natures
from segments.lists import asking, runner
from segments.membership import refresh
from segments.models import ListFeed, ListUpload, Segment, SourceQuery, UploadedList
from tests import factories
from tests.doubles import tcp
from tests.pages import words
from tests.segments.lists.conftest import on, work

pytestmark = pytest.mark.django_db(transaction=True)

State = ListUpload.State


@pytest.fixture
def warehouse():
    """A schema of the tests' own PostgreSQL; a connection that commits at once."""
    info = connection.get_connection_params()
    info = {k: info[k] for k in ("dbname", "user", "host", "password") if info.get(k)}
    with psycopg.connect(**info, autocommit=True) as other:
        other.execute("CREATE SCHEMA warehouse")
        other.execute("CREATE TABLE warehouse.vips (id text)")
        yield other
        other.execute("DROP SCHEMA warehouse CASCADE")


@pytest.fixture
def source(warehouse, settings):
    """A SQL source at the same server, over TCP."""
    info = warehouse.info
    with tcp.port_for(f"{info.host}/.s.PGSQL.{info.port}") as port:
        settings.ALLOWED_LOCAL_ADDRESSES = [f"127.0.0.1:{port}"]
        made = SourceQuery.objects.create(
            name="Warehouse",
            kind=SourceQuery.Kind.POSTGRESQL,
            query="SELECT 1",
            source=factories.make_source(),
        )
        address = f"postgresql://{info.user}:secret@127.0.0.1:{port}/{info.dbname}"
        queries.set_address(made, address)
        yield made


@pytest.fixture
def feed(source):
    of = UploadedList.objects.create(name="VIPs", kind="external_id")
    return ListFeed.objects.create(
        of=of, source=source, query="SELECT id FROM warehouse.vips", column="id"
    )


@pytest.fixture
def segment(feed):
    return factories.make_segment(rule={"list": feed.of_id}, name="VIPs")


def say(warehouse, *ids):
    warehouse.execute("TRUNCATE warehouse.vips")
    for id in ids:
        warehouse.execute("INSERT INTO warehouse.vips VALUES (%s)", [id])


def ask(feed) -> ListUpload | None:
    """To its end, as far as it goes by itself."""
    upload = asking.ask(feed.pk, by_hand=True)
    feed.refresh_from_db()
    return work(upload) if upload else None


def people_of(segment) -> set[str]:
    refresh.refresh(segment.pk)
    return set(segment.memberships.values_list("profile__external_id", flat=True))


def test_who_is_in_the_result_is_in_and_who_is_not_any_more_leaves(
    warehouse, feed, segment
):
    for name in ("ana", "bo", "cy"):
        factories.make_profile(external_id=name)
    say(warehouse, "ana", "bo", "nobody", "bo", None)
    upload = ask(feed)
    assert (upload.state, feed.problem, feed.last_rows) == (State.DONE, "", 5)
    assert upload.found == {"new": 2, "unknown": 1, "twice": 1, "blank": 1}
    assert people_of(segment) == {"ana", "bo"}

    say(warehouse, "bo", "cy")
    ask(feed)
    assert people_of(segment) == {"bo", "cy"}
    assert on(feed.of) == {"bo", "cy"}


def test_what_goes_wrong_leaves_everybody_where_they_are(warehouse, feed, segment):
    factories.make_profile(external_id="ana")
    say(warehouse, "ana")
    ask(feed)
    for change, said in (
        ({"query": "SELECT nonsense FROM warehouse.vips"}, "nonsense"),
        ({"query": "SELECT id FROM warehouse.vips WHERE false"}, "no rows"),
        ({"query": "SELECT id AS other FROM warehouse.vips"}, "no column “id”"),
    ):
        ListFeed.objects.filter(pk=feed.pk).update(**change)
        assert ask(feed) is None
        assert said in feed.problem
        assert people_of(segment) == {"ana"}
    assert ListUpload.objects.count() == 1


def test_a_kill_in_the_middle_is_gone_on_from_and_the_list_stays(
    warehouse, feed, segment
):
    """The list is what it was until all rows are there."""
    factories.make_profile(external_id="ana")
    say(warehouse, "ana")
    ask(feed)
    warehouse.execute("TRUNCATE warehouse.vips")
    warehouse.execute(
        "INSERT INTO warehouse.vips SELECT 'u' || n FROM generate_series(1, 12000) n"
    )
    upload = asking.ask(feed.pk, by_hand=True)
    runner.turn(upload.pk, 0.01)
    assert on(feed.of) == {"ana"}
    # Whoever had it is gone; it goes on, and another run waits for it.
    assert asking.ask(feed.pk, by_hand=True) is None
    feed.refresh_from_db()
    assert "not written yet" in feed.problem
    ListUpload.objects.filter(pk=upload.pk).update(held_until=None)
    work(upload)
    feed.of.refresh_from_db()
    assert feed.of.size == 12_000


def test_a_changed_query_waits_for_a_decision(warehouse, feed, segment):
    for name in ("ana", "bo"):
        factories.make_profile(external_id=name)
    say(warehouse, "ana")
    ask(feed)
    now = database_clock.now()
    ListFeed.objects.filter(pk=feed.pk).update(
        query="SELECT 'bo' AS id", changed_at=now
    )
    upload = ask(feed)
    assert upload.state == State.READY
    assert people_of(segment) == {"ana"}
    assert ask(feed) is None
    assert "waits for a decision" in feed.problem

    assert runner.write(upload)
    assert work(upload).state == State.DONE
    assert people_of(segment) == {"bo"}
    # It was seen: what comes next writes itself.
    assert ask(feed).state == State.DONE


def test_it_is_asked_when_it_is_due_and_once(warehouse, feed):
    say(warehouse, "ana")
    assert asking.ask(feed.pk) is not None
    assert asking.ask(feed.pk) is None
    feed.refresh_from_db()
    now = database_clock.now()
    assert timedelta(hours=23) < feed.due_at - now < timedelta(hours=25)
    ListFeed.objects.filter(pk=feed.pk).update(every=0, due_at=None)
    assert asking.wake_due() == 0


def test_a_duckdb_file_is_asked_too(feed, segment, settings, tmp_path):
    path = tmp_path / "warehouse.duckdb"
    with duckdb.connect(str(path)) as other:
        other.execute("CREATE TABLE vips AS SELECT 'ana' AS id")
    settings.IMPORT_FROM = [tmp_path]
    source = feed.source
    source.kind = SourceQuery.Kind.DUCKDB
    source.save()
    queries.set_address(source, str(path))
    ListFeed.objects.filter(pk=feed.pk).update(query="SELECT id FROM vips")
    factories.make_profile(external_id="ana")
    ask(feed)
    assert (feed.problem, people_of(segment)) == ("", {"ana"})


# --- Its pages ------------------------------------------------------------------------


def form(source, **fields):
    return {
        "name": "From the warehouse",
        "source": source.pk,
        "query": "SELECT id FROM warehouse.vips",
        "column": "id",
        "kind": "external_id",
        "every": 60,
        **fields,
    }


def test_a_page_makes_the_segment_its_list_and_what_keeps_it(
    admin_client, warehouse, source
):
    say(warehouse, "ana")
    address = reverse("admin:segments_segment_warehouse")
    answer = admin_client.post(address, form(source))
    segment = Segment.objects.get(name="From the warehouse")
    assert answer.url == segment.get_absolute_url()
    feed = ListFeed.objects.get()
    assert (feed.of.name, segment.rule) == (segment.name, {"list": feed.of_id})
    assert natures.of(segment).nature == natures.Nature.WAREHOUSE
    ask(feed)
    page = words(admin_client.get(segment.get_absolute_url()))
    for said in ("From a warehouse", "every hour", "Of nobody we know", "Ask now"):
        assert said in page

    again = admin_client.post(address, form(source))
    assert "There is a segment with this name." in again.text
    # The query is not lost with the error.
    assert "SELECT id FROM warehouse.vips" in again.text


def test_a_change_of_the_query_is_noted_and_one_of_the_schedule_is_not(
    admin_client, feed, segment
):
    address = reverse("admin:segments_segment_feed", args=[segment.pk])
    asked = {"source": feed.source_id, "query": feed.query, "column": "id"}
    admin_client.post(address, {**asked, "every": 15})
    feed.refresh_from_db()
    assert (feed.every, feed.changed_at) == (15, None)
    admin_client.post(address, {**asked, "query": "SELECT 'x' AS id", "every": 15})
    feed.refresh_from_db()
    assert feed.changed_at


def test_of_two_lists_from_databases_each_has_its_query(admin_client, feed, source):
    of = UploadedList.objects.create(name="Guests", kind="external_id")
    other = ListFeed.objects.create(of=of, source=source, query="SELECT 1", column="id")
    rule = {"any": [{"list": feed.of_id}, {"not": {"list": of.pk}}]}
    segment = factories.make_segment(rule=rule)
    page = admin_client.get(segment.get_absolute_url()).text
    address = reverse("admin:segments_segment_feed", args=[segment.pk])
    asked = {
        "source": source.pk,
        "query": "SELECT 2 AS id",
        "column": "id",
        "every": 15,
    }
    for one in (feed, other):
        own = f"{address}?feed={one.pk}"
        assert page.count(own) == 2
        assert one.query in admin_client.get(own).text
        admin_client.post(own, asked)
        one.refresh_from_db()
        assert one.query == "SELECT 2 AS id"
    assert admin_client.get(address).status_code == 200
    assert admin_client.get(f"{address}?feed=999").status_code == 404


def test_it_takes_the_right_to_change_sql_sources(feed, segment):
    client = Client()
    client.force_login(
        factories.make_user(
            *("segments.view_segment", "segments.add_segment"),
            "segments.change_segment",
        )
    )
    assert client.get(reverse("admin:segments_segment_warehouse")).status_code == 403
    address = reverse("admin:segments_segment_feed", args=[segment.pk])
    for data in (None, {"_ask": "1"}):
        assert client.post(address, data).status_code == 403
    page = client.get(segment.get_absolute_url())
    assert page.status_code == 200
    assert "Ask now" not in page.text


def test_without_a_sql_source_the_page_says_what_to_do(admin_client):
    page = admin_client.get(reverse("admin:segments_segment_warehouse"))
    assert "Add a SQL source" in page.text


# --- The first rows, before anything is saved ---------------------------------------


def rows_of(client, address, source, **typed):
    asked = {"source": source.pk, "query": "SELECT id FROM warehouse.vips"}
    asked |= {"column": "id", "kind": "external_id", "every": 60, "_rows": ""}
    return client.post(address, asked | typed)


def test_the_first_rows_are_shown_before_a_segment_is_made(
    admin_client, warehouse, source
):
    say(warehouse, "ana", "bo")
    address = reverse("admin:segments_segment_warehouse")
    query = "SELECT id, 5 AS spent FROM warehouse.vips ORDER BY id"
    answer = rows_of(admin_client, address, source, query=query)
    assert answer.context["rows"] == [["ana", "5"], ["bo", "5"]]
    assert list(answer.context["found"].uses) == ["Who is in: external ID", "Left out"]
    assert "no-store" in answer["Cache-Control"]
    page = words(answer)
    # The name is not needed for that, and what was typed stays.
    assert "This field is required" not in page and "5 AS spent" in page
    assert not Segment.objects.exists() and not UploadedList.objects.exists()


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"column": "mail"}, "The query has no column “mail”."),
        ({"query": "SELECT nonsense FROM warehouse.vips"}, "nonsense"),
        ({"query": ""}, "Correct what is marked above first."),
        ({"query": "SELECT 'x' AS id WHERE false"}, "whoever is in stays"),
    ],
)
def test_why_there_are_no_rows_is_said(admin_client, warehouse, source, typed, said):
    say(warehouse, "ana")
    address = reverse("admin:segments_segment_warehouse")
    assert said in words(rows_of(admin_client, address, source, **typed))


def test_the_first_rows_of_a_changed_query_change_nothing(
    client, warehouse, feed, segment
):
    """And are masked for who may not see people."""
    say(warehouse, "anastasia")
    user = factories.make_user()
    names = ("view_segment", "change_segment", "change_sourcequery")
    user.user_permissions.set(Permission.objects.filter(codename__in=names))
    client.force_login(user)
    address = reverse("admin:segments_segment_feed", args=[segment.pk])
    query = "SELECT id, id AS again FROM warehouse.vips"
    answer = rows_of(client, address, feed.source, query=query)
    assert list(answer.context["found"].names) == ["id", "again"]
    page = words(answer)
    assert "anastasia" not in page and "Values are masked" in page
    before = feed.query
    feed.refresh_from_db()
    assert (feed.query, feed.changed_at) == (before, None)
