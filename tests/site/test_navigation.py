"""The sidebar: every list by the field's own words, for those who may see it."""

import re

import pytest
from django.contrib.auth.models import Group
from django.test import RequestFactory
from django.urls import reverse

from lemnisk_braze.dashboard import navigation
from tests import factories

pytestmark = pytest.mark.django_db

READING = "External APIs, Connections, Segments, Lists, People, Events, Dictionary, Engagements, "
READING += "Calendar, Guards, Suppression list, Runs, Deliveries, Frequency caps"


def titles(user):
    request = RequestFactory().get("/")
    request.user = user
    groups = navigation.sidebar(request)
    return ", ".join(item["title"] for group in groups for item in group["items"])


@pytest.mark.parametrize(
    ("group", "expected"),
    [
        ("", "Home"),
        (
            "Marketer",
            f"Home, {READING}".replace("Dictionary, ", "Dictionary, Imports, "),
        ),
        ("Approver", f"Home, {READING}"),
        ("Analyst", f"Home, {READING}"),
        (
            "Engineer",
            "Home, External APIs, Connections, Segments, Lists, People, Events, Dictionary, "
            "Imports, SQL sources, Watched folders, Sources, Inbox, Engagements, Calendar, Guards, Suppression list, Runs, Deliveries, Frequency caps, Operations",
        ),
        (
            "Administrator",
            "Home, External APIs, Connections, Segments, Lists, People, Events, Dictionary, "
            "Imports, SQL sources, Watched folders, Sources, Inbox, Erasures, Engagements, "
            "Calendar, Guards, Suppression list, Runs, Deliveries, Frequency caps, Operations, Users, Groups",
        ),
    ],
)
def test_a_group_finds_its_lists(group, expected):
    user = factories.make_user()
    if group:
        user.groups.add(Group.objects.get(name=group))
    assert titles(user) == expected


def test_every_link_opens(client):
    admin = factories.make_admin()
    client.force_login(admin)
    request = RequestFactory().get("/")
    request.user = admin
    links = [i["link"] for g in navigation.sidebar(request) for i in g["items"]]
    assert {client.get(link).status_code for link in links} == {200}


def test_the_page_that_is_open_is_marked(client):
    client.force_login(factories.make_admin())
    url = reverse("admin:segments_segment_changelist")
    assert 'aria-current="page"' in client.get(url).content.decode()


def test_of_two_pages_that_lead_here_the_nearer_one_is_marked(client):
    client.force_login(factories.make_admin())
    text = client.get(reverse("admin:engagements_operations")).content.decode()
    marked = re.findall(r'<a href="([^"]+)" aria-current="page"', text)
    assert marked == [reverse("admin:engagements_operations")]
