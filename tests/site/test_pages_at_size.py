"""No page reads more when there is more: an index has the rows that it shows."""

from collections.abc import Sequence
from datetime import timedelta

import pytest
from django.contrib.admin import site
from django.db import connection
from django.db.models import Model
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from engagements.models import Attempt, Batch, Delivery
from lemnisk_braze.lib.keyset import OLDEST, KeysetList
from segments.models import Event, Identifier, Profile, Segment
from tests import factories, plans

pytestmark = pytest.mark.django_db

EVERYBODY = 3_000
IN_A_BATCH = 75
# Rows that one query of a page may read. Home looks at the newest hundred thousand.
MOST = 1_200
PAGED = [
    model for model, admin in site._registry.items() if isinstance(admin, KeysetList)
]


@pytest.fixture
def full() -> list[Profile]:
    """Everybody is in a segment, did something and was sent something."""
    people = factories.make_people(EVERYBODY)
    factories.make_segment(people, name="Everybody")
    source = factories.make_source()
    now = timezone.now()
    Event.objects.bulk_create(
        Event(
            source=source,
            message_id=f"m-{number}",
            profile=person,
            name="Lead",
            time=now - timedelta(seconds=number),
        )
        for number, person in enumerate(people)
    )
    Identifier.objects.bulk_create(
        Identifier(kind="anonymous_id", value=f"v-{person.pk}", profile=person)
        for person in people
    )
    run = factories.make_run()
    for first in range(0, EVERYBODY, IN_A_BATCH):
        some = people[first : first + IN_A_BATCH]
        batch = factories.make_batch(run, some, state=Batch.State.DONE)
        at = now - timedelta(seconds=first)
        factories.make_attempt(batch, started_at=at)
        Delivery.objects.bulk_create(
            Delivery(run=run, profile=person, batch=batch, state="sent")
            for person in some
        )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return people


def selects(client: Client, address: str) -> set[str]:
    with CaptureQueriesContext(connection) as captured:
        answer = client.get(address, follow=True)
    assert answer.status_code == 200
    return {query["sql"] for query in captured if query["sql"].startswith("SELECT")}


def check(client: Client, *addresses: str) -> None:
    for address in addresses:
        asked = selects(client, address)
        assert asked
        for sql in asked:
            rows = plans.rows_read(sql)
            assert rows <= MOST, f"{address} reads {rows} rows: {sql}"


def newest(models: Sequence[type[Model]]) -> list[str]:
    return [
        reverse(
            f"admin:{model._meta.app_label}_{model._meta.model_name}_change",
            args=[model._default_manager.order_by("-pk")[0].pk],
        )
        for model in models
    ]


def test_the_page_of_a_row_reads_what_it_shows(full, admin_client):
    check(admin_client, *newest([Profile, Segment, Event, Batch, Delivery, Attempt]))


def test_a_list_reads_a_page(full, admin_client):
    assert len(PAGED) > 8
    for model in PAGED:
        name = f"{model._meta.app_label}_{model._meta.model_name}"
        address = reverse(f"admin:{name}_changelist")
        check(admin_client, address, f"{address}?{OLDEST}=1")


def test_the_people_of_a_segment_are_those_who_came_last(admin_client):
    people = factories.make_people(30)
    segment = factories.make_segment(people)
    # The last but one has left, and the very first came back.
    for person, kinds in ((people[-2], ["exit"]), (people[0], ["exit", "entry"])):
        for kind in kinds:
            segment.transitions.create(profile=person, kind=kind)
    segment.memberships.filter(profile__in=[people[-2], people[0]]).delete()
    segment.memberships.create(profile=people[0])
    shown = admin_client.get(segment.get_absolute_url()).context["sample"]
    expected = [people[0], people[-1], *people[-3:-11:-1]]
    assert [member.profile for member in shown] == expected
