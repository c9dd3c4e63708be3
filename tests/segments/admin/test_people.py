"""Finding a person, and what their page tells; sources and their keys."""

import html
import re
import shlex
from base64 import b64encode
from html import unescape

import pytest
from django.urls import reverse

from segments.models import Identifier, InboxRequest, Profile, Source
from segments.tracking import write_keys
from tests.factories import make_event, make_profile, make_segment, make_source
from tests.inbox import the_only_one
from tests.pages import words

pytestmark = pytest.mark.django_db

PEOPLE = "/admin/segments/profile/"


@pytest.mark.parametrize(
    ("term", "found"),
    [
        ("user-1", {"user-1", "user-12"}),
        ("user-12", {"user-12"}),
        ("ANN@", {"user-1"}),
        ("bo@example.com", {"user-12"}),
        ("+49", {"user-1"}),
        (" user-12 ", {"user-12"}),
        ("nobody", set()),
        ("%", set()),
        ("' OR 1=1", set()),
        ("", {"user-1", "user-12"}),
    ],
)
def test_people_are_found_by_how_their_names_begin(admin_client, term, found):
    make_profile(external_id="user-1", email="ann@example.com", phone="+49123")
    other = make_profile(external_id="user-12", email="bo@example.com")
    merged = make_profile(external_id=None, email="bo@example.com")
    Profile.objects.filter(pk=merged.pk).update(merged_into=other)
    response = admin_client.get(PEOPLE, {"q": term})
    assert {p.external_id for p in response.context["cl"].result_list} == found


def test_the_page_of_a_person_tells_who_they_are_and_what_they_did(admin_client):
    profile = make_profile(city="Pune", tags=["a", 1], missing=None)
    Identifier.objects.create(kind="anonymous_id", value="device-7", profile=profile)
    make_event(profile, "Lead form submitted", form="demo")
    make_segment([profile], rule={"event": "E"}, name="Leads")
    page = words(admin_client.get(profile.get_absolute_url()))
    for text in (
        "Pune",
        "[&quot;a&quot;, 1]",
        "device-7",
        "Lead form submitted",
        '<span class="lb-hint">form</span> demo',
        "Leads",
    ):
        assert text in page


def test_the_page_of_a_merged_person_leads_to_the_known_one(admin_client):
    known, merged = make_profile(external_id="known"), make_profile(external_id=None)
    Profile.objects.filter(pk=merged.pk).update(merged_into=known)
    page = words(admin_client.get(merged.get_absolute_url()))
    assert f'a part of <a href="{known.get_absolute_url()}">known</a>' in page


def test_a_page_of_nobody_leads_back(admin_client):
    url = reverse("admin:segments_profile_change", args=[12345])
    assert admin_client.get(url).status_code == 302


def test_the_inbox_shows_what_waits(admin_client):
    body = b'[["m1", "track", {"event": "Done"}], ["m2", "identify", {"userId": "u"}]]'
    request = InboxRequest.objects.create(
        source=make_source(), count=2, done=1, body=body
    )
    listed = admin_client.get(reverse("admin:segments_inboxrequest_changelist")).text
    assert f"Request {request.pk}" in listed
    url = reverse("admin:segments_inboxrequest_change", args=[request.pk])
    shown = admin_client.get(url).text
    assert "m2" in shown
    assert "Done" not in shown


def test_a_new_source_shows_its_write_key_once(admin_client):
    response = admin_client.post(
        "/admin/segments/source/add/", {"name": "Shop", "is_active": "on"}
    )
    source = Source.objects.get()
    key = response.context["write_key"]
    assert write_keys.source_of(key)[0] == source
    assert f'value="{key}"' in response.text
    assert "no-store" in response["Cache-Control"]
    page = admin_client.get(
        reverse("admin:segments_source_change", args=[source.pk])
    ).text
    assert key not in page
    assert f"…{key[-4:]}" in page


def test_the_first_write_key_leads_on_with_the_first_steps(admin_client):
    add = reverse("admin:segments_source_add")
    on = f'href="{reverse("admin:index")}">Copied; on with the first steps</a>'
    page = admin_client.post(add, {"name": "Shop", "is_active": "on"})
    assert on in page.text
    make_profile()
    page = admin_client.post(add, {"name": "App", "is_active": "on"})
    assert on not in page.text


def test_a_source_s_page_says_how_to_send_without_its_key(admin_client):
    source = make_source()
    page = admin_client.get(reverse("admin:segments_source_change", args=[source.pk]))
    assert '/v1/track -u "WRITE_KEY:"' in unescape(page.text)


def test_a_new_source_has_no_time_of_its_own_yet(admin_client):
    page = admin_client.get(reverse("admin:segments_source_add"))
    assert "Created at" not in page.text


def test_the_command_beside_a_new_write_key_sends_an_event(admin_client, client):
    page = admin_client.post(
        "/admin/segments/source/add/", {"name": "Shop", "is_active": "on"}
    )
    command = re.search(r"curl .*?</pre>", page.text, re.DOTALL)
    url, flag, name, *_, body = shlex.split(html.unescape(command[0][:-6]))[1:]
    sent = client.post(
        url,
        body,
        content_type="application/json",
        headers={"Authorization": f"Basic {b64encode(name.encode()).decode()}"},
    )
    assert (flag, sent.json()) == ("-u", {"success": True})
    assert the_only_one().payload["event"] == "Lead form submitted"


def test_one_more_key_is_shown_once_and_the_old_one_works_until_it_is_revoked(
    admin_client,
):
    source = Source(name="Shop")
    old = write_keys.issue(source)
    add = reverse("admin:segments_source_add_key", args=[source.pk])
    new = admin_client.post(add, {"name": "App", "kind": ""}).context["write_key"]
    assert write_keys.source_of(old)[0] == write_keys.source_of(new)[0] == source
    key = source.write_keys.get(name=write_keys.DEFAULT_NAME)
    revoke = reverse("admin:segments_source_revoke_key", args=[source.pk, key.pk])
    page = admin_client.post(revoke, follow=True)
    assert "is refused from now on" in page.text
    assert write_keys.source_of(old) is None
    assert write_keys.source_of(new)[0] == source


def test_a_key_for_lemnisks_rest_calls_is_a_pair(admin_client):
    source = make_source()
    add = reverse("admin:segments_source_add_key", args=[source.pk])
    page = admin_client.post(add, {"name": "CRM", "kind": "rest"})
    key, passkey = page.context["write_key"], page.context["passkey"]
    assert f'value="{passkey}"' in page.text
    assert "/v3/data" in page.text
    assert write_keys.caller_of(key, passkey).source == source
    assert write_keys.caller_of(key, "x") is write_keys.caller_of(key) is None
    stored = str(source.write_keys.values().get())
    assert key not in stored
    assert passkey not in stored


@pytest.mark.parametrize("kind", ["", "x"])
def test_a_key_needs_a_name_of_one_line(admin_client, kind):
    source = make_source()
    add = reverse("admin:segments_source_add_key", args=[source.pk])
    page = admin_client.post(
        add, {"name": "" if not kind else "a\u202eb", "kind": kind}
    )
    assert page.status_code == 200
    assert page.context["form"].errors
    assert not source.write_keys.exists()


def test_renaming_a_source_keeps_its_key(admin_client):
    source = Source(name="Shop")
    key = write_keys.issue(source)
    url = reverse("admin:segments_source_change", args=[source.pk])
    admin_client.post(url, {"name": "Website"})
    source.refresh_from_db()
    assert (source.name, source.is_active) == ("Website", False)
    assert write_keys.source_of(key) is None
    admin_client.post(url, {"name": "Website", "is_active": "on"})
    assert write_keys.source_of(key)[0] == source


def test_a_sources_origins_are_checked_and_brought_into_one_form(admin_client):
    source = make_source()
    url = reverse("admin:segments_source_change", args=[source.pk])
    data = {"name": "Shop", "is_active": "on"}
    odd = "https://shop.example/path"
    page = admin_client.post(url, {**data, "allowed_origins": odd})
    assert f"“{odd}” is no origin: write https:// and a name, no path." in page.text
    origins = " HTTPS://Shop.example/\n\nhttps://*.shop.example\nnull"
    admin_client.post(url, {**data, "allowed_origins": origins})
    source.refresh_from_db()
    assert source.allowed_origins == (
        "https://shop.example\nhttps://*.shop.example\nnull"
    )


def test_events_are_found_by_name(admin_client):
    profile = make_profile()
    lead, _ = make_event(profile, "Lead"), make_event(profile, "View")
    url = reverse("admin:segments_event_changelist")
    for term, found in (("Lead", {lead}), ("Le", set())):
        response = admin_client.get(url, {"q": term})
        assert set(response.context["cl"].result_list) == found
