"""What was stored before the dictionary was there, and who has what."""

import importlib
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection

from segments.dictionary import building, shares
from segments.models import DictionaryBuild, DictionaryEntry, Profile
from tests.factories import make_event, make_people, make_profile
from tests.segments.dictionary.conftest import entry, types

pytestmark = pytest.mark.django_db


@pytest.fixture
def history():
    """Three people and four events, from before names were counted."""
    ann = make_profile(plan="gold", phone="+49123")
    make_profile(plan="silver", policies=[{"id": 1}])
    make_profile(email="")
    for amount in (1, 2, "3"):
        make_event(ann, "Sale", amount=amount)
    make_event(ann, "Lead")


def build():
    """As the migration asks for it."""
    migration = importlib.import_module("segments.migrations.0012_dictionary")
    with connection.cursor() as cursor:
        cursor.execute(migration.BUILD)
    while building.go_on():
        pass


def test_what_is_stored_is_read(history):
    build()
    assert (entry("plan").count, types(entry("plan"))) == (2, {"text": 2})
    assert types(entry("policies")) == {"objects": 1}
    assert entry("email").count == 2
    assert entry("phone").count == 1
    sale = entry("Sale", "event")
    assert (sale.count, len(sale.sources)) == (3, 3)
    assert types(entry("amount", "property", "Sale")) == {"number": 2, "text": 1}
    assert not sale.is_count_estimated
    assert all(one.finished_at for one in DictionaryBuild.objects.all())


def test_nothing_stored_is_nothing_to_read(db):
    build()
    assert not DictionaryBuild.objects.exists()
    assert not building.go_on()


def test_what_comes_meanwhile_is_counted_once(history, track):
    migration = importlib.import_module("segments.migrations.0012_dictionary")
    with connection.cursor() as cursor:
        cursor.execute(migration.BUILD)
    track("Sale", amount=4)
    while building.go_on():
        pass
    assert entry("Sale", "event").count == 4


def test_it_goes_on_where_it_stopped(history):
    """In pieces: as many steps as the table has, each counted once."""
    make_people(50)
    last = Profile.objects.order_by("pk").last().pk
    DictionaryBuild.objects.create(
        table="people", until_id=last, every=1, next_id=last - 52
    )
    assert building.go_on() is False
    assert entry("first_name").count == 50


def test_of_a_large_table_a_part_stands_for_all(history):
    make_people(30)
    last = Profile.objects.order_by("pk").last().pk
    DictionaryBuild.objects.create(
        table="people", until_id=last, every=3, next_id=last - 30
    )
    building.go_on()
    one = entry("first_name")
    assert (one.count, one.is_count_estimated) == (90, True)


def test_the_command_counts_anew_and_keeps_what_people_said(history, track):
    track("Sale", amount=4)
    DictionaryEntry.objects.filter(name="Sale").update(description="They bought")
    out = StringIO()
    for _ in range(2):
        call_command("build_dictionary", stdout=out)
    sale = entry("Sale", "event")
    assert (sale.count, sale.description) == (4, "They bought")
    assert "names came so far" in out.getvalue()


def test_who_has_what_is_asked_of_people(history, identify):
    build()
    # As where there were very many people until a moment ago.
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE pg_class SET reltuples = 1000000"
            " WHERE oid = 'segments_profile'::regclass"
        )
    shares.refresh()
    plan, sale = entry("plan"), entry("Sale", "event")
    assert (plan.people, plan.people_asked, plan.is_share_estimated) == (2, 3, False)
    assert (sale.people, sale.people_asked) == (1, 3)
    assert entry("phone").people == 1


def test_it_is_asked_when_it_is_due(identify):
    assert not shares.refresh_due()
    identify(plan="gold")
    assert shares.refresh_due()
    assert entry("plan").people == 1
    assert not shares.refresh_due()
    # Another name, and a minute later.
    identify(city="Pune")
    assert not shares.refresh_due()
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE segments_dictionaryentry SET asked_at = asked_at - interval '61 s'"
        )
    assert shares.refresh_due()
    assert entry("city").people == 1


def test_of_many_people_a_sample_is_asked(settings, monkeypatch):
    make_people(3_000)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE segments_profile")
    monkeypatch.setattr(shares, "MOST_PEOPLE", 1_000)
    DictionaryEntry.objects.create(kind="attribute", name="first_name")
    shares.refresh()
    one = entry("first_name")
    assert one.is_share_estimated
    assert 0 < one.people == one.people_asked < 3_000
