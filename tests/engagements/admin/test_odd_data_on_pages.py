"""Whatever a person's data are, every page that shows them is there."""

import orjson
import pytest
from django.db import connection
from django.urls import reverse
from django.utils.html import escape

from engagements.delivery import loop
from engagements.lifecycle import transitions
from engagements.models import Delivery, Engagement
from segments.models import Profile
from tests import factories
from tests.engagements.admin.test_creation import field

pytestmark = pytest.mark.django_db

NUMBERS = ["1e20", "12345678901234567890", "-1e25", "1e400", "123456789012345678901234"]
ODD = [
    *NUMBERS,
    "1" * 5_000,
    "1.5e-320",
    '[[[[1e400]], {"a": 12345678901234567890123}]]',
    '"\\\\ud800 \\u202e\\u0001"',
    f'"{"x" * 200_000}"',
    "[" * 900 + "]" * 900,
    "null",
]
VALUES = (
    "Points: {{ profile.pts }}",
    "{{ event.properties.pts | plus: 1 | append: '!' }}",
)


@pytest.fixture
def with_data(braze):
    """Make an engagement for somebody whose data, and event, are this JSON text."""

    def make(odd: str, value: str) -> Engagement:
        ann = factories.make_profile(external_id="ann")
        event = factories.make_event(ann)
        with connection.cursor() as cursor:
            for table, column, pk in (
                ("segments_profile", "attributes", ann.pk),
                ("segments_event", "properties", event.pk),
            ):
                cursor.execute(
                    f"UPDATE {table} SET {column} = %s WHERE id = %s",
                    [f'{{"pts": {odd}}}', pk],
                )
        segment = factories.make_segment(0)
        factories.enter(segment, ann, event)
        version = factories.make_version(connection=braze)
        values = {"Name of the User": value}
        return factories.make_engagement(
            segment, version, values, trigger=Engagement.Trigger.SCHEDULE
        )

    return make


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("odd", ODD, ids=lambda text: text[:24])
def test_a_page_shows_what_is_sent(admin_page, with_data, sandbox, odd, value):
    engagement = with_data(odd, value)
    ann = Profile.objects.get(external_id="ann")
    transitions.activate(engagement)
    loop.work()
    sent = Delivery.objects.get()

    shown = {"engagements_engagement": engagement.pk, "engagements_delivery": sent.pk}
    if value == VALUES[0]:
        # Which say nothing of what is sent.
        shown |= {"segments_profile": ann.pk, "segments_segment": engagement.segment_id}
    pages = {
        page: admin_page.get(reverse(f"admin:{page}_change", args=[pk]))
        for page, pk in shown.items()
    }
    draft = factories.make_engagement(
        engagement.segment, engagement.version, engagement.values
    )
    pages["draft"] = admin_page.get(
        reverse("admin:engagements_engagement_change", args=[draft.pk])
    )
    pages["preview"] = admin_page.post(
        reverse("admin:engagements_engagement_preview"),
        {
            "segment": engagement.segment_id,
            "version": engagement.version_id,
            field(engagement.version, "Name of the User"): value,
        },
    )
    people = reverse(
        "admin:engagements_engagement_test_people",
        args=[engagement.version.external_api_id],
    )
    pages["people"] = admin_page.post(people, {"q": "ann"})

    assert {name: page.status_code for name, page in pages.items()} == dict.fromkeys(
        pages, 200
    )
    if sent.state == "sent":
        # Braze does not keep the longest.
        text = sandbox.user("ann").get("first_name", "")
        escaped = escape(orjson.dumps(text).decode()[1:-1])
        for name in ("engagements_delivery", "preview"):
            assert escaped in pages[name].content.decode()
    else:
        assert "Nothing would be sent" in pages["preview"].content.decode()
        assert sent.state == "skipped"
