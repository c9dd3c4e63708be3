"""Ctrl+K: who and what is found, by whom."""

import pytest
from django.contrib.auth.models import Group

from segments.models import Identifier, Profile
from tests import factories

pytestmark = pytest.mark.django_db
URL = "/admin/search/"


@pytest.fixture
def everything():
    person = factories.make_profile(
        external_id="lead-05000",
        email="nina@example.com",
        phone="+491701234",
        first_name="Nina",
        last_name="Berg",
    )
    Identifier.objects.create(kind="anonymous_id", value="device-7", profile=person)
    segment = factories.make_segment(name="Hot leads")
    version = factories.make_version(
        external_api=factories.make_external_api(name="Track leads"),
        connection=factories.make_connection(name="Braze leads"),
    )
    factories.make_engagement(segment, version, name="Welcome leads")
    return person


@pytest.mark.parametrize(
    "typed",
    [
        *("lead-05", "NINA@exam", "+49170", "device-7"),
        *("nina", "Nina Berg", "berg"),
    ],
)
def test_a_person_is_found_by_each_name_and_identifier(admin_client, everything, typed):
    page = admin_client.get(URL, {"s": typed}).text
    assert "Nina Berg" in page
    assert "lead-05000" in page
    assert everything.get_absolute_url() in page


def test_things_are_found_by_a_part_of_their_name(admin_client, everything):
    page = admin_client.get(URL, {"s": "LEADS"}).text
    for name in ("Hot leads", "Track leads", "Braze leads", "Welcome leads"):
        assert name in page


def test_a_name_of_the_dictionary_is_found(admin_client):
    entry = factories.make_dictionary_entry("loyalty_points")
    assert (
        f'href="{entry.get_absolute_url()}"'
        in admin_client.get(URL, {"s": "points"}).text
    )


def test_pages_are_found_as_before(admin_client):
    assert "Operations" in admin_client.get(URL, {"s": "operat"}).text


@pytest.mark.parametrize("typed", ["zzz", "%", "_", "\0qqq", "'", "<b>", "x" * 900])
def test_nothing_found_is_said(admin_client, everything, typed):
    page = admin_client.get(URL, {"s": typed}).text
    assert "Nothing found for" in page
    assert "<b>" not in page


def test_nobody_finds_what_they_may_not_see(client, everything):
    user = factories.make_user()
    client.force_login(user)
    assert "Nothing found" in client.get(URL, {"s": "lead"}).text
    user.groups.add(Group.objects.get(name="Marketer"))
    assert "Hot leads" in client.get(URL, {"s": "lead"}).text
    client.logout()
    assert client.get(URL, {"s": "lead"}).status_code == 302


def test_who_was_merged_is_found_as_who_they_are(admin_client, everything):
    old = factories.make_profile(external_id="lead-05000-old")
    Profile.objects.filter(pk=old.pk).update(merged_into=everything)
    page = admin_client.get(URL, {"s": "lead-05000"}).text
    assert "lead-05000-old" not in page
