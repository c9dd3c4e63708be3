"""What was released comes along: its tables, its people, and what waits for them."""

import os
import re
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission, User
from django.core.management import call_command
from django.db import connection
from django.db.models import Model
from django.test import Client
from django.urls import reverse

from engagements.delivery import claims, lease_reaper, loop
from engagements.models import Batch, Chore, Delivery, Engagement, SentBefore
from engagements.tick import tick
from externalapi.connections import encryption
from externalapi.models import Connection
from externalapi.vendors.braze.sandbox.process import SandboxProcess
from lemnisk_braze import groups
from lemnisk_braze.lib import database_clock
from segments.ingest import inbox
from segments.models import DictionaryBuild, DictionaryEntry, Event, Source
from tests.faults import invariants
from tests.upgrade import databases, make_dump, story

DUMPS = sorted(make_dump.FOLDER.glob("*.sql"))
# So many objects of each kind are looked at.
EACH = 12
# By name: where they stand is not what a migration decides.
SCHEMA = """
    SELECT table_name, column_name, data_type || ' ' || udt_name || ' '
        || coalesce(character_maximum_length::text, '') || ' ' || is_nullable || ' '
        || coalesce(column_default, '') || ' ' || coalesce(identity_generation, '')
    FROM information_schema.columns WHERE table_schema = 'public'
    UNION ALL
    SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'
    UNION ALL
    SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid)
    FROM pg_constraint WHERE connamespace = 'public'::regnamespace
    UNION ALL
    SELECT 'migration', app, name FROM django_migrations
"""
# PostgreSQL does not read a condition as it wrote it: these move.
CASTS = r"::(text|character varying)(\[\])?|[()]"

TABLE = r"CREATE TABLE public\.(\w+)"


@pytest.fixture(scope="module", params=DUMPS, ids=lambda path: path.stem)
def released(request, django_db_setup, django_db_blocker) -> Iterator[str]:
    """A database of a released version that was migrated to this one; its name."""
    name = f"released_{os.getpid()}"
    with django_db_blocker.unblock(), databases.database(name):
        databases.load(request.param.read_text(encoding="utf-8"), name)
        with databases.in_use(name):
            call_command("migrate", verbosity=0)
        yield name


@pytest.fixture
def upgraded(released, django_db_blocker, settings, tmp_path) -> Iterator[None]:
    """A copy of it is Django's database, with the keys that the dump was made with."""
    settings.SECRETS_KEYS = story.SECRETS_KEYS
    settings.JOURNAL_DIR = tmp_path
    copy = f"{released}_copy"
    with (
        django_db_blocker.unblock(),
        databases.database(copy, template=released),
        databases.in_use(copy),
    ):
        yield


@pytest.fixture(scope="module")
def braze() -> Iterator[SandboxProcess]:
    """A Braze that knows the key of the dumps."""
    with SandboxProcess(key=story.API_KEY) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(braze: SandboxProcess, settings, upgraded) -> SandboxProcess:
    """The same, empty; the upgraded site sends there."""
    braze.reset()
    settings.ALLOWED_LOCAL_ADDRESSES = [f"127.0.0.1:{braze.port}"]
    ours = Connection.objects.filter(base_url=story.BRAZE)
    assert ours.update(base_url=braze.url)
    return braze


# --- The tables -----------------------------------------------------------------------


def test_migrations_of_a_release_are_never_edited():
    now = make_dump.migrations()
    released = make_dump.released_migrations()
    edited = [name for name, digest in released.items() if now.get(name) != digest]
    assert released
    assert not edited, (
        f"{', '.join(edited)}: Released migrations are never edited: add a new one"
        " (manage.py makemigrations). Databases out there have run them as they were,"
        " and will not run them again; git has them as they were released."
    )


@pytest.mark.parametrize("path", DUMPS, ids=lambda path: path.stem)
def test_every_table_of_a_dump_has_a_row(path):
    text = path.read_text(encoding="utf-8")
    rows = databases.rows_by_table(text)
    assert set(re.findall(TABLE, text)) - {"django_session"} == set(rows)
    assert [table for table, count in rows.items() if not count] == []


@pytest.mark.parametrize("path", DUMPS, ids=lambda path: path.stem)
def test_the_migrations_of_a_dump_are_held(path):
    """`make dump` writes both."""
    ran = re.findall(
        rf"^\d+\t({'|'.join(make_dump.APPS)})\t(\w+)\t",
        path.read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    assert len(ran) >= len(make_dump.APPS)
    held = make_dump.released_migrations()
    assert {f"{app}/migrations/{name}.py" for app, name in ran} <= set(held)


def test_each_release_has_its_dump():
    changelog = (make_dump.ROOT / "CHANGELOG.md").read_text()
    versions = re.findall(r"^## (\d+\.\d+\.\d+)\b", changelog, re.MULTILINE)
    assert versions
    kept = {path.stem for path in DUMPS}
    assert set(versions) <= kept, "Before a release: make dump (CONTRIBUTING.md)"


def schema(name: str) -> set[tuple[str, ...]]:
    return {
        (table, part, re.sub(CASTS, "", definition))
        for table, part, definition in databases.read(name, SCHEMA)
    }


@pytest.mark.django_db
def test_an_upgraded_database_is_like_a_new_one(released):
    new, upgraded = schema(connection.settings_dict["NAME"]), schema(released)
    assert len(new) > 300
    assert (upgraded - new, new - upgraded) == (set(), set())


def test_nothing_is_left_to_migrate(upgraded):
    # It ends with 1 where something is.
    call_command("migrate", check_unapplied=True, verbosity=0)


# --- The data -------------------------------------------------------------------------


def test_there_are_the_permissions_that_groups_are_made_of(upgraded):
    assert groups.permissions().count() == len(groups.EVERYTHING)
    for name, wanted in groups.GROUPS.items():
        given = Permission.objects.filter(group__name=name)
        names = {f"{p.content_type.app_label}.{p.codename}" for p in given}
        assert set(wanted) <= names, name


def test_every_page_opens(upgraded, request):
    dump = request.node.callspec.params["released"].read_text(encoding="utf-8")
    client = Client()
    client.force_login(User.objects.filter(is_superuser=True)[0])
    bad = {
        url: status
        for url in ("/admin/", *pages(dump))
        if (status := client.get(url).status_code) != 200
    }
    assert bad == {}


def pages(dump: str) -> Iterator[str]:
    """Each list, and some objects of it: the first, the last and those between.

    A table that came after the release may be empty: nothing of it was in the dump.
    """
    for model in admin.site._registry:
        yield url(model, "changelist")
        ids = list(model._default_manager.order_by("pk").values_list("pk", flat=True))
        if not ids:
            assert model._meta.db_table not in re.findall(TABLE, dump), model
            continue
        step = -(-len(ids) // EACH)
        for pk in {*ids[::step], ids[-1]}:
            yield url(model, "change", pk)


def url(model: type[Model], page: str, *arguments: Any) -> str:
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}"
    return reverse(name, args=arguments)


def test_every_key_can_be_read(upgraded):
    keys = [
        encryption.open_key(row, getattr(row, field))
        for row in Connection.objects.all()
        for field in encryption.KEY_FIELDS
    ]
    assert story.API_KEY in keys
    assert not encryption.is_stranger()


def test_every_write_key_goes_on(upgraded):
    dumped = "".join(path.read_text(encoding="utf-8") for path in DUMPS)
    assert Source.objects.exists()
    for source in Source.objects.all():
        assert source.write_keys.get(revoked_at=None).key_hash in dumped
        assert source.allowed_origins == "*"


def test_what_is_due_can_be_taken(upgraded):
    due = set(waiting().values_list("pk", flat=True))
    assert due
    assert {held.batch_id for held in claims.claim(len(due) + 1)} == due


def waiting():
    """The batches that are due."""
    return Batch.objects.filter(
        state__in=Batch.DUE,
        next_attempt_at__lte=database_clock.now(),
        run__state__in=["expanding", "sending"],
        run__engagement__state=Engagement.State.ACTIVE,
    )


def test_who_waits_is_sent_and_nobody_twice(sandbox, settings):
    before = set(sent().values_list("pk", flat=True))
    in_hand = Batch.objects.get(state=Batch.State.LEASED)
    doubtful = Batch.objects.get(state=Batch.State.SENDING)
    take_back_what_the_old_workers_had(settings)
    people = {
        (batch.run_id, profile_id)
        for batch in waiting()
        for place, profile_id in enumerate(batch.profile_ids)
        if place not in batch.left_out
    }
    assert {(in_hand.run_id, pk) for pk in in_hand.profile_ids} <= people

    assert not loop.work()

    ended = set(Delivery.objects.values_list("run_id", "profile_id"))
    assert people <= ended
    doubtful.refresh_from_db()
    assert doubtful.state == Batch.State.UNCERTAIN
    at_work = Batch.objects.filter(run__engagement__state=Engagement.State.ACTIVE)
    assert not at_work.open().exists()
    assert not inbox.is_waiting()
    now = sent().exclude(pk__in=before)
    expected = Counter(now.values_list("profile__external_id", flat=True))
    assert expected
    assert invariants.received(sandbox) == expected
    assert sent_repeatedly() == {}


def sent():
    return Delivery.objects.filter(state=Delivery.State.SENT)


def take_back_what_the_old_workers_had(settings) -> None:
    """As the tick does when the leases have run out, which they did long ago."""
    lease = settings.DELIVERY_LEASE
    # It waits for one lease after nobody wrote anything for so long.
    settings.DELIVERY_LEASE = timedelta(0)
    assert lease_reaper.reap()
    settings.DELIVERY_LEASE = lease


def sent_repeatedly() -> dict[tuple[str, int], int]:
    """Engagement and person → how often, where it is to be once."""
    once = {
        engagement.pk: str(engagement)
        for engagement in Engagement.objects.all()
        if engagement.sent_again == Engagement.Again.ONCE
    }
    assert once
    times = Counter(sent().values_list("run__engagement", "profile"))
    times.update(SentBefore.objects.values_list("engagement", "profile"))
    return {
        (once[engagement], person): count
        for (engagement, person), count in times.items()
        if engagement in once and person is not None and count > 1
    }


def test_the_names_of_what_is_stored_are_in_the_dictionary(upgraded):
    tick()
    names = set(DictionaryEntry.objects.values_list("kind", "event", "name"))
    assert {("attribute", "", "plan"), ("event", "", story.LEAD)} <= names
    lead = DictionaryEntry.objects.get(kind="event", name=story.LEAD)
    assert lead.count == Event.objects.filter(name=story.LEAD).count()
    assert not DictionaryBuild.objects.filter(finished_at=None).exists()


def test_who_was_skipped_is_counted(upgraded):
    rows = Delivery.objects.filter(state=Delivery.State.SKIPPED)
    counted = sum(
        (own.skips.total() for own in Batch.objects.all().tallies().values()), 0
    )
    assert counted == rows.count() > 0


def test_the_periodic_work_is_done(upgraded):
    assert tick()
    problems = Chore.objects.exclude(problem="", trying_since=None)
    assert dict(problems.values_list("name", "problem")) == {}
