"""Engagement Creation with a payload: what is asked, checked, kept and told."""

import json

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse

from engagements.authoring.forms import EngagementForm
from engagements.models import Engagement
from externalapi.connections import encryption
from externalapi.models import ExternalAPIVersion
from tests import factories
from tests.engagements.payload.conftest import PAYLOAD, payload_version

pytestmark = pytest.mark.django_db

ADD = reverse("admin:engagements_engagement_add")
CHECK = reverse("admin:engagements_engagement_check_payload")


def typed(version: ExternalAPIVersion, payload: str, **fields) -> dict[str, object]:
    segment = fields.pop("segment", None) or factories.make_segment(
        [factories.make_profile(external_id="p", first_name="Ann", points=1)]
    )
    return {
        "name": "Lead form",
        "segment": segment.pk,
        "version": version.pk,
        "trigger": "on_entry",
        "repeat": "once",
        "time_zone": "UTC",
        "ambiguous_policy": "park",
        "payload": payload,
        **fields,
    }


def errors(admin_page: Client, version: ExternalAPIVersion, payload: str) -> list[str]:
    page = admin_page.post(ADD, typed(version, payload))
    assert not Engagement.objects.exists()
    form = page.context["form"]
    assert form["payload"].value() == payload
    found: list[str] = form.errors["payload"]
    return found


def test_it_is_written_saved_and_shown_again(admin_page):
    version = payload_version()
    page = admin_page.post(ADD, typed(version, PAYLOAD.replace("\n", "\r\n")))
    engagement = Engagement.objects.get()
    assert page.url == engagement.get_absolute_url()
    assert engagement.version.payload == PAYLOAD
    assert engagement.version.base == version
    page = admin_page.get(engagement.get_absolute_url())
    form = page.context["form"]
    assert form["payload"].value() == PAYLOAD
    assert form["version"].value() == version.pk
    assert "data-body-editor" in page.content.decode()
    assert form.best_policy == "park"


def test_an_external_api_with_one_payload_for_all_has_no_editor(admin_page):
    factories.make_version()
    page = admin_page.get(ADD)
    assert "payload" not in page.context["form"].fields
    text = page.content.decode()
    assert "data-body-editor" not in text and '<script src="/static/ext' not in text


def test_the_list_of_external_apis_says_what_an_engagement_is_asked_for(admin_page):
    payload_version(
        '{"a": {{Name}}}',
        path="/{{Campaign}}",
        parameters=[factories.parameter("Campaign"), factories.parameter("Name")],
    )
    url = reverse("admin:externalapi_externalapi_changelist")
    assert "Campaign, The payload" in admin_page.get(url).content.decode()


def test_it_begins_with_the_external_apis_body(admin_page):
    payload_version(
        '{"attributes": [{"external_id": {{ID}}, "name": {{Name}}}]}',
        parameters=[
            factories.parameter("ID", level="identifier"),
            factories.parameter("Name"),
        ],
    )
    form = admin_page.get(ADD).context["form"]
    begun = '{"attributes": [{"external_id": {{ profile.external_id }}, "name": "{{Name}}"}]}'
    assert form["payload"].value() == begun
    assert form.parameter_inputs == []
    (told,) = errors(admin_page, form.chosen_version, begun)
    assert told == (
        "Line 1: “Name” is a place of the External API’s body that is still to be"
        " filled. Here braces hold variables: write one, such as"
        " {{ profile.first_name }}, or a text."
    )


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        ("", "Line 1: Write what is sent"),
        ('{"attributes": [\n{oops}]}', "Line 2: A name in double quotes is expected"),
        (
            '{"attributes": [{"external_id": {{ profile.external_id }},\n"a":'
            " {{ profil.x }}}]}",
            "Line 2: There is no variable “profil”. Did you mean “profile”?",
        ),
        (
            '{"attributes": [{"external_id": {{ profile.external_id }},\n"a":'
            " {{ profile.frist_name }}}]}",
            "Line 2: Nobody in “",
        ),
        (
            '{"attributes": [{"external_id": {{ profile.external_id }},\n"a":'
            " {{ profile.first_name | upcse }}}]}",
            "Line 2: There is no filter “upcse”",
        ),
        (
            '{"attributes": [{"external_id": {{ profile.external_id }},\n"email_subscribe":'
            ' "perhaps"}]}',
            "Line 2: ",
        ),
        ('{"attributes": []}', "Line 1: There is nothing in attributes"),
        ('{"attributes": {}}', "“attributes” is a list of objects"),
        (
            '{"events": [{"external_id": {{ profile.external_id }}, "time": {{ now }}}]}',
            "The event has no “name”",
        ),
    ],
)
def test_a_mistake_stands_at_the_field_with_its_line(admin_page, payload, words):
    found = errors(admin_page, payload_version(), payload)
    assert any(words in one for one in found), found


def test_a_list_of_ones_own_batching_has_to_be_in_the_payload(admin_page):
    version = payload_version(
        "",
        path="/leads",
        connection=factories.make_connection("https://crm.example.com"),
        batch_arrays=["leads"],
        batch_combined=10,
    )
    text = '{"rows": [{"id": {{ profile.external_id }}}]}'
    (told,) = errors(admin_page, version, text)
    assert told == "Line 1: “leads” is no list in the body."


def test_what_differs_outside_of_the_lists_is_said_and_sent_one_by_one(admin_page):
    version = payload_version()
    text = PAYLOAD.replace(
        '{\n  "attr', '{\n  "partner": {{ profile.plan }},\n  "attr', 1
    )
    form = EngagementForm.of_typed(typed(version, text))
    found = form.check_payload({}, None)
    warnings = [one.finding.message for one in found.findings]
    assert any("a request takes one person" in one for one in warnings)


def test_the_editor_is_told_what_a_save_says(admin_page):
    version = payload_version()
    body = typed(version, PAYLOAD)
    answer = admin_page.post(CHECK, body).json()
    assert answer["verdict"] == "Valid JSON, 3 variables."
    assert answer["findings"] == []
    assert [node["label"] for node in answer["nodes"]] == [
        "attributes",
        "[0]",
        "external_id",
        "first_name",
        "points",
    ]
    assert answer["formatted"] == PAYLOAD + "\n"
    at = answer["nodes"][3]["from"]
    assert PAYLOAD[at:].startswith('"{{ profile.first_name')
    answer = admin_page.post(CHECK, {**body, "payload": '{"a":\n x}'}).json()
    assert answer["verdict"].startswith("Line 2, column 2")
    assert answer["nodes"] == []


def test_the_editors_address_is_for_those_who_may_see_engagements(client, admin_page):
    version = payload_version()
    body = typed(version, PAYLOAD)
    assert admin_page.get(CHECK).status_code == 405
    # Another External API was chosen while the editor was still there.
    other = {**body, "version": factories.make_version().pk}
    assert admin_page.post(CHECK, other).json()["verdict"] == ""
    client.force_login(factories.make_user())
    assert client.post(CHECK, body).status_code == 403


def test_a_preview_shows_it_and_says_what_keeps_it(admin_page):
    url = reverse("admin:engagements_engagement_preview")
    version = payload_version()
    body = typed(version, PAYLOAD)
    page = admin_page.post(url, body)
    shown = page.context["panel"].preview
    assert json.loads(shown.body) == {
        "attributes": [{"external_id": "p", "first_name": "Ann", "points": 1}]
    }
    broken = admin_page.post(url, {**body, "payload": "{"}).content.decode()
    assert "Nothing would be sent to this person" in broken
    assert "Line 1, column 2" in broken


def test_a_change_is_told_by_its_places_in_the_history(admin_page):
    version = payload_version()
    body = typed(version, PAYLOAD)
    admin_page.post(ADD, body)
    engagement = Engagement.objects.get()
    changed = PAYLOAD.replace(
        '"points": {{ profile.points }}', '"level": "secret word"'
    )
    admin_page.post(engagement.get_absolute_url(), {**body, "payload": changed})
    engagement.refresh_from_db()
    assert engagement.version.payload == changed
    said = LogEntry.objects.order_by("-pk").first().change_message
    assert said == (
        "Payload: attributes[0].level added; attributes[0].points taken out."
    )


def test_an_active_one_shows_it_and_keeps_it(admin_page, braze):
    version = payload_version(connection=braze)
    body = typed(version, PAYLOAD)
    admin_page.post(ADD, body)
    engagement = Engagement.objects.get()
    Engagement.objects.update(state="active")
    page = admin_page.get(engagement.get_absolute_url())
    assert "disabled" in str(page.context["form"]["payload"])
    answer = admin_page.post(
        CHECK, {**body, "engagement": engagement.pk, "payload": "{"}
    )
    assert answer.json()["verdict"] == "Valid JSON, 3 variables."
    # It ends while its page is open, whose fields send nothing.
    Engagement.objects.update(state="ended")
    answer = admin_page.post(CHECK, {"engagement": engagement.pk, "payload": PAYLOAD})
    assert answer.json()["verdict"] == "Valid JSON, 3 variables."
    Engagement.objects.update(state="active")
    admin_page.post(engagement.get_absolute_url(), {"name": "Renamed", "payload": "{}"})
    engagement.refresh_from_db()
    assert engagement.name == "Renamed"
    assert engagement.version.payload == PAYLOAD


def test_another_external_api_takes_its_place_and_brings_it_back(admin_page):
    version, other = payload_version(), factories.make_version()
    encryption.set_key(other.connection, "key")
    body = typed(version, PAYLOAD)
    admin_page.post(ADD, body)
    engagement = Engagement.objects.get()
    page = admin_page.post(
        engagement.get_absolute_url(),
        {**body, "version": other.pk, "_configure": "version"},
    )
    form = page.context["form"]
    assert not form.has_payload
    # Whoever chooses the first again finds what they wrote.
    assert ("payload", PAYLOAD) in form.kept
    (name,) = (
        one.field.html_name for one in form.parameter_inputs if one.parameter.required
    )
    admin_page.post(
        engagement.get_absolute_url(),
        {**body, "version": other.pk, name: "{{ profile.first_name }}"},
    )
    engagement.refresh_from_db()
    assert engagement.version == other
    assert engagement.values == {"Name of the User": "{{ profile.first_name }}"}
    said = LogEntry.objects.order_by("-pk").first().change_message
    assert "Payload: no longer written here." in said


def test_deltas_need_one_object_of_attributes_in_the_payload(admin_page):
    text = '{"events": [{"external_id": {{ profile.external_id }}, "name": "x", "time": {{ now }}}]}'
    body = typed(
        payload_version(),
        text,
        trigger="schedule",
        repeat="hourly",
        sync_mode="changed",
        sends_deltas="on",
    )
    page = admin_page.post(ADD, body)
    (told,) = page.context["form"].errors["sends_deltas"]
    assert "exactly one object in “attributes”" in told


def test_a_missing_value_leads_to_its_line(admin_page):
    admin_page.post(ADD, typed(payload_version(), PAYLOAD))
    url = Engagement.objects.get().get_absolute_url()
    page = admin_page.get(url, {"fallback": "attributes[0].points"})
    assert 'data-error-line="6"' in str(page.context["form"]["payload"])
    page = admin_page.get(url, {"fallback": "attributes[0].nothing"})
    assert "data-error-line" not in str(page.context["form"]["payload"])


def test_the_preview_says_of_places_that_are_left_what_the_editor_says(admin_page):
    version = payload_version(
        '{"attributes": [{"external_id": "{{ID}}", "first_name": {{Name of the User}}}]}',
        parameters=[
            factories.parameter("ID", level="identifier"),
            factories.parameter("Name of the User"),
        ],
    )
    segment = factories.make_segment(1)
    page = admin_page.get(
        f"{ADD}?segment={segment.pk}&external_api={version.external_api_id}"
    )
    [words] = page.context["panel"].preview.problems.values()
    assert words == (
        "“Name of the User” is a place of the External API’s body that is still to be"
        " filled."
    )
