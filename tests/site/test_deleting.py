"""Before something is deleted: who uses it, and what to do instead."""

import pytest
from django.contrib.auth.models import Group
from django.urls import reverse

from tests import factories

pytestmark = pytest.mark.django_db


def used():
    """One of each that something uses, with a word of what uses it and of the way out."""
    connection = factories.make_connection()
    group = Group.objects.create(name="Interns")
    connection.groups.add(group)
    version = factories.make_version(connection=connection)
    run = factories.make_run(factories.make_engagement(version=version, name="Welcome"))
    event = factories.make_event(factories.make_profile())
    return {
        "connection": (connection, version.external_api.name, "Open the External APIs"),
        "externalapi": (version.external_api, "Welcome", "Archive it"),
        "segment": (run.engagement.segment, "Welcome", "Open the segment"),
        "source": (event.source, "events that it sent", "Open the source"),
        "engagement": (run.engagement, "1 run", "Open the Engagement"),
        "group": (group, connection.name, "Cancel"),
    }


@pytest.mark.parametrize(
    "name", ["connection", "externalapi", "segment", "source", "engagement", "group"]
)
def test_what_is_used_says_by_what_and_what_to_do_instead(admin_client, name):
    obj, user, way_out = used()[name]
    url = reverse(
        f"admin:{obj._meta.label_lower.replace('.', '_')}_delete", args=[obj.pk]
    )
    page = admin_client.get(url).text
    assert "is in use and cannot be deleted" in page
    assert user in page
    assert way_out in page
    assert "permission" not in page.split("<main")[1]
    admin_client.post(url, {"post": "yes"})
    obj.refresh_from_db()


def test_what_nobody_uses_is_deleted_after_a_question(admin_client):
    draft = factories.make_engagement()
    for obj in (
        draft,
        draft.segment,
        draft.version.external_api,
        factories.make_user(),
    ):
        name = obj._meta.label_lower.replace(".", "_")
        url = reverse(f"admin:{name}_delete", args=[obj.pk])
        assert "for good?" in admin_client.get(url).text
        assert admin_client.post(url, {"post": "yes"}).status_code == 302
        assert not type(obj).objects.filter(pk=obj.pk).exists()


def test_deleting_several_says_which_are_in_use(admin_client):
    engagement = factories.make_engagement(name="Welcome")
    free = factories.make_segment(name="Free")
    url = reverse("admin:segments_segment_changelist")
    choice = {"action": "delete_selected", "_selected_action": []}
    choice["_selected_action"] = [engagement.segment.pk, free.pk]
    assert (
        "Not all of these segments can be deleted"
        in admin_client.post(url, choice).text
    )
    choice["_selected_action"] = [free.pk]
    assert "for good?" in admin_client.post(url, choice).text
    admin_client.post(url, {**choice, "post": "yes"})
    assert not type(free).objects.filter(pk=free.pk).exists()
