"""The pages of SQL sources and watched folders."""

import pytest
from django.contrib.auth.models import Group
from django.urls import reverse

from lemnisk_braze.lib import sealing
from segments.models import SourceQuery, WatchedFolder
from tests import factories

pytestmark = pytest.mark.django_db

ADD = reverse("admin:segments_sourcequery_add")
DSN = "postgresql://reader:s3cr3t@warehouse.example.com/shop"


@pytest.fixture
def engineer(client):
    user = factories.make_user()
    user.groups.add(Group.objects.get(name="Engineer"))
    client.force_login(user)
    return user


@pytest.fixture
def typed():
    return {
        "name": "Warehouse",
        "is_active": "on",
        "kind": "postgresql",
        "address": DSN,
        "query": "SELECT * FROM people",
        "every": "60",
        "watermark_column": "updated_at",
        "look_back": "600",
        "source": factories.make_source().pk,
        "makes": "people",
        "event": "",
        "columns": "id=external_id",
        "empty": "clear",
        "zone": "UTC",
        "country": "",
    }


def test_an_address_is_kept_and_never_shown(client, engineer, typed):
    client.post(ADD, typed)
    query = SourceQuery.objects.get()
    assert sealing.unseal(query, query.address_encrypted) == DSN
    page = client.get(query.get_absolute_url()).content.decode()
    assert "warehouse.example.com:5432/shop" in page
    assert "s3cr3t" not in page
    history = reverse("admin:segments_sourcequery_history", args=[query.pk])
    assert "s3cr3t" not in client.get(history).content.decode()
    # Empty keeps it.
    client.post(query.get_absolute_url(), {**typed, "address": "", "every": "15"})
    query.refresh_from_db()
    assert query.every == 15
    assert sealing.unseal(query, query.address_encrypted) == DSN


def test_another_query_begins_at_the_beginning(client, engineer, typed):
    client.post(ADD, typed)
    query = SourceQuery.objects.get()
    SourceQuery.objects.update(watermark=["number", "7"])
    client.post(query.get_absolute_url(), {**typed, "address": "", "name": "Other"})
    query.refresh_from_db()
    assert query.watermark == ["number", "7"]
    other = {**typed, "address": "", "query": "SELECT * FROM customers"}
    client.post(query.get_absolute_url(), other)
    query.refresh_from_db()
    assert query.watermark is None


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("address", "", "Say where the database is"),
        (
            "address",
            "postgresql://u:p@10.0.0.1/db",
            "ALLOWED_LOCAL_ADDRESSES takes 10.0.0.1:5432",
        ),
        ("address", "mysql://u@h.example/db", "Write the address as"),
        ("columns", "id", "write it as column=use"),
        ("zone", "Mars", "no time zone"),
        ("country", "XX", "no country"),
        ("makes", "events", "message_id"),
        ("query", "x" * 50_001, "50,000 bytes"),
    ],
)
def test_what_is_wrong_is_said_at_its_field(
    client, engineer, typed, field, value, words
):
    page = client.post(ADD, {**typed, field: value}).content.decode()
    assert words in page
    assert "s3cr3t" not in page
    assert not SourceQuery.objects.exists()


def test_a_folder_is_one_that_the_operator_allows(client, engineer, settings, tmp_path):
    add = reverse("admin:segments_watchedfolder_add")
    data = {
        "name": "Drop",
        "path": str(tmp_path),
        "is_active": "on",
        "source": factories.make_source().pk,
        "makes": "people",
        "empty": "keep",
        "zone": "UTC",
    }
    assert "IMPORT_FROM" in client.post(add, data).content.decode()
    settings.IMPORT_FROM = [str(tmp_path)]
    client.post(add, data)
    assert WatchedFolder.objects.get().path == str(tmp_path)


def test_who_may_not_change_it_may_not_run_it(client, typed, engineer):
    client.post(ADD, typed)
    query = SourceQuery.objects.get()
    run = reverse("admin:segments_sourcequery_run", args=[query.pk])
    assert client.post(run).status_code == 302
    assert client.get(run).status_code == 405
    marketer = factories.make_user()
    marketer.groups.add(Group.objects.get(name="Marketer"))
    client.force_login(marketer)
    assert client.post(run).status_code in (403, 404)
