"""Who may open and do what on the people pages; every change of state is a POST."""

import pytest
from django.test import Client
from django.urls import reverse

from segments.models import InboxRequest, Segment, WriteKey
from segments.tracking import write_keys
from tests.factories import (
    make_event,
    make_profile,
    make_segment,
    make_source,
    make_user,
)

pytestmark = pytest.mark.django_db

MODELS = ("source", "profile", "event", "inboxrequest", "segment")


@pytest.fixture
def rows():
    profile = make_profile()
    event = make_event(profile)
    request = InboxRequest.objects.create(
        source=event.source, count=1, body=b'[["m1", "track", {"event": "Lead"}]]'
    )
    return {
        "source": event.source,
        "profile": profile,
        "event": event,
        "inboxrequest": request,
        "segment": make_segment(rule={"event": "Lead"}),
    }


@pytest.mark.parametrize("model", MODELS)
def test_pages_open_with_the_view_permission_and_only_with_it(client, rows, model):
    urls = [
        reverse(f"admin:segments_{model}_changelist"),
        reverse(f"admin:segments_{model}_change", args=[rows[model].pk]),
    ]
    client.force_login(make_user(f"segments.view_{model}"))
    assert [client.get(url).status_code for url in urls] == [200, 200]
    others = [f"segments.view_{other}" for other in MODELS if other != model]
    client.force_login(make_user(*others))
    assert [client.get(url).status_code for url in urls] == [403, 403]
    client.logout()
    assert [client.get(url).status_code for url in urls] == [302, 302]


@pytest.mark.parametrize("model", ["profile", "event", "inboxrequest"])
def test_what_the_product_writes_nobody_edits(admin_client, rows, model):
    add = reverse(f"admin:segments_{model}_add")
    change = reverse(f"admin:segments_{model}_change", args=[rows[model].pk])
    delete = reverse(f"admin:segments_{model}_delete", args=[rows[model].pk])
    assert admin_client.get(add).status_code == 403
    assert admin_client.post(change, {}).status_code == 403
    assert admin_client.post(delete, {"post": "yes"}).status_code == 403


@pytest.fixture
def key(db):
    source = make_source()
    write_keys.issue(source, "Website")
    return source.write_keys.get()


def add_url(key):
    return reverse("admin:segments_source_add_key", args=[key.source_id])


def revoke_url(key):
    return reverse("admin:segments_source_revoke_key", args=[key.source_id, key.pk])


@pytest.mark.parametrize(
    ("permission", "may"), [("view_source", False), ("change_source", True)]
)
def test_write_keys_need_the_change_permission(client, key, permission, may):
    client.force_login(make_user("segments.view_source", f"segments.{permission}"))
    for url in (add_url(key), revoke_url(key)):
        assert client.get(url).status_code == (200 if may else 403)
    assert WriteKey.objects.filter(revoked_at=None).count() == 1
    client.post(add_url(key), {"name": "App", "kind": ""})
    client.post(revoke_url(key))
    names = WriteKey.objects.filter(revoked_at=None).values_list("name", flat=True)
    assert list(names) == (["App"] if may else ["Website"])


def test_write_keys_need_the_csrf_token(admin_user, key):
    client = Client(enforce_csrf_checks=True)
    client.force_login(admin_user)
    for url in (add_url(key), revoke_url(key)):
        assert client.post(url, {"name": "App"}).status_code == 403


def test_the_key_of_a_source_that_is_not_there_is_not_found(admin_client, key):
    other = make_source()
    add = reverse("admin:segments_source_add_key", args=[other.pk + 1])
    revoke = reverse("admin:segments_source_revoke_key", args=[other.pk, key.pk])
    for url in (add, revoke):
        assert admin_client.post(url, {"name": "App"}).status_code == 404


def test_people_of_a_segment_are_shown_only_to_those_who_may_see_people(client):
    segment = make_segment(
        [make_profile(email="secret@example.com")], rule={"event": "E"}
    )
    url = segment.get_absolute_url()
    client.force_login(make_user("segments.view_segment"))
    assert "secret@example.com" not in client.get(url).text
    client.force_login(
        make_user(
            "segments.view_segment",
            "segments.view_profile",
            "segments.view_personal_data",
        )
    )
    assert "secret@example.com" in client.get(url).text


def test_a_persons_events_and_segments_need_their_own_permissions(client):
    profile = make_profile()
    make_event(profile, "Secret event")
    make_segment([profile], rule={"event": "E"}, name="Secret segment")
    url = profile.get_absolute_url()
    client.force_login(
        make_user("segments.view_profile", "segments.view_personal_data")
    )
    page = client.get(url).text
    assert "Secret event" not in page
    assert "Secret segment" not in page
    client.force_login(
        make_user(
            "segments.view_profile",
            "segments.view_personal_data",
            "segments.view_event",
            "segments.view_segment",
        )
    )
    page = client.get(url).text
    assert "Secret event" in page
    assert "Secret segment" in page


def test_a_viewer_of_segments_saves_nothing(client):
    segment = make_segment(rule={"event": "E"}, name="Before")
    client.force_login(make_user("segments.view_segment"))
    data = {"name": "After", "rule": '{"event": "F"}'}
    assert client.post(segment.get_absolute_url(), data).status_code == 403
    assert Segment.objects.get().name == "Before"
