"""Tags, priority and owner: what they are, and the list that is filtered by them."""

import json

import pytest
from django.urls import reverse

from lemnisk_braze.lib import database_clock
from segments.membership import refresh
from segments.models import Segment
from tests import factories
from tests.pages import words

pytestmark = pytest.mark.django_db

PUNE = {"attribute": "city", "is": "equals", "value": "Pune"}
LIST = "/admin/segments/segment/"


def form(**fields):
    return {"name": "Locals", "rule": json.dumps(PUNE), "is_active": "on", **fields}


def test_who_makes_a_segment_owns_it_and_may_give_it_away(client):
    user, other = factories.make_admin(), factories.make_user()
    client.force_login(user)
    client.post(reverse("admin:segments_segment_add"), form(tags="a"))
    segment = Segment.objects.get()
    assert segment.owner == user
    client.post(segment.get_absolute_url(), form(owner=other.pk))
    segment.refresh_from_db()
    assert segment.owner == other


def test_tags_are_said_once(admin_client):
    segment = factories.make_segment(rule=PUNE)
    typed = " Leads, leads ,Ünder 30,, LEADS"
    admin_client.post(segment.get_absolute_url(), form(tags=typed, priority=1))
    segment.refresh_from_db()
    assert segment.tags == ["Leads", "Ünder 30"]
    assert segment.priority == Segment.Priority.HIGH
    # What a form does not ask stays.
    admin_client.post(segment.get_absolute_url(), form(tags="Leads"))
    segment.refresh_from_db()
    assert segment.priority == Segment.Priority.HIGH


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("x" * 51, "at most 50 characters"),
        (",".join(f"t{n}" for n in range(21)), "at most 20 tags"),
        ("a\u202eb", "visible characters"),
    ],
)
def test_wrong_tags_are_refused_at_their_field(admin_client, typed, said):
    segment = factories.make_segment(rule=PUNE)
    page = admin_client.post(segment.get_absolute_url(), form(tags=typed))
    assert said in str(page.context["adminform"].form.errors["tags"])


def test_the_list_is_filtered_by_each(admin_client):
    owner = factories.make_user(username="mara")
    factories.make_segment(name="One", tags=["x", "y"], owner=owner, priority=1)
    factories.make_segment(name="Two", tags=["x"])
    for asked, there in (
        ("tag=y", {"One"}),
        ("tag=x", {"One", "Two"}),
        (f"owner={owner.pk}", {"One"}),
        ("owner=none", {"Two"}),
        ("priority__exact=1", {"One"}),
        ("owner=nonsense", {"One", "Two"}),
    ):
        found = admin_client.get(f"{LIST}?{asked}").context["cl"].result_list
        assert {segment.name for segment in found} == there, asked
    assert "x, y" in words(admin_client.get(LIST))


def test_of_several_that_are_due_the_high_ones_are_counted_first():
    low, normal, high = (
        factories.make_segment(rule=PUNE, refreshed_at=None, priority=priority)
        for priority in (3, 2, 1)
    )
    refresh.refresh_due(database_clock.now())
    counted = Segment.objects.order_by("refreshed_at")
    assert list(counted) == [high, normal, low]
