"""A payload is a version of its own: pinned, kept once, and known by another's number."""

import json

import pytest
from django.urls import reverse

from engagements.authoring.preview import preview
from engagements.lifecycle import copies
from engagements.models import Engagement, Run
from engagements.payload import versions
from engagements.payload.beginning import beginning
from engagements.personalization.renderer import people_per_request
from externalapi.models import ExternalAPIVersion
from externalapi.template.parser import MAX_BYTES, BodyError
from tests import factories
from tests.engagements.payload.conftest import LEVEL, PAYLOAD, payload_version, write

pytestmark = pytest.mark.django_db


def test_each_value_with_variables_becomes_a_parameter_by_its_place():
    written = versions.write(payload_version(), PAYLOAD, {})
    names = {
        one.name: (one.type.value, one.required)
        for one in written.version.read_parameters()
    }
    assert names == {
        "attributes[0].external_id": ("any", True),
        "attributes[0].first_name": ("any", False),
        "attributes[0].points": ("any", False),
    }
    assert written.values["attributes[0].points"] == "{{ profile.points }}"
    assert written.version.pk is None
    assert people_per_request(written.version, written.values) == 75


@pytest.mark.parametrize(
    "keys",
    [
        # Cut off before its last word.
        [f"{'k' * 185} tail"],
        # So many that differ only behind where they are cut off.
        [f"{'k' * 190}{n}" for n in range(70)],
        ["", " ", "a.b", "}}", "|", "\u202e", "é", "′"],
    ],
)
def test_whatever_a_key_is_called_its_value_is_sent(keys):
    who = factories.make_profile(external_id="p", first_name="Ann")
    values = dict.fromkeys(keys, "{{ profile.first_name }}")
    text = json.dumps({"attributes": [{**values, "a": {"b": "{{ profile.nick }}x"}}]})
    written = versions.write(payload_version(), text, {})
    shown = preview(written.version, written.values, factories.make_segment(), who)
    assert not shown.problems
    assert json.loads(shown.body)["attributes"] == [dict.fromkeys(keys, "Ann")]


def test_what_braze_needs_of_an_object_is_needed_of_a_person():
    text = """{"events": [{"external_id": "{{ profile.external_id }}",
        "name": "{{ event.name }} again", "time": {{ event.time }},
        "properties": {"name": {{ event.properties.name }}}}]}"""
    written = versions.write(payload_version(), text, {})
    needed = {one.name: one.required for one in written.parameters}
    assert needed == {
        "events[0].external_id": True,
        "events[0].name": True,
        "events[0].time": True,
        "events[0].properties.name": False,
    }


@pytest.mark.parametrize(
    ("whose", "needed"),
    [
        ('"external_id": {{ profile.x }}, "email": {{ profile.email }}', [True, False]),
        ('"user_alias": {"alias_name": {{ profile.x }}, "alias_label": "crm"}', [True]),
        ('"email": {{ profile.email }}', [True]),
        # One of them is enough.
        ('"email": {{ profile.email }}, "phone": {{ profile.phone }}', [False, False]),
    ],
)
@pytest.mark.parametrize("array", ["attributes", "events", "purchases"])
def test_whose_an_object_is_is_needed(array, whose, needed):
    written = versions.write(payload_version(), f'{{"{array}": [{{{whose}}}]}}', {})
    assert [one.required for one in written.parameters] == needed


def test_address_and_headers_keep_their_parameters():
    base = payload_version(
        '{"body": "{{Old}}"}',
        path="/v1/{{Campaign}}",
        headers={"X-Tenant": "{{Tenant}}"},
        parameters=[
            factories.parameter("Campaign"),
            factories.parameter("Tenant", level="fixed", value="bank"),
            factories.parameter("Old"),
        ],
        batching="one",
    )
    written = versions.write(base, '{"a": {{ now }}}', {"Campaign": "c", "Old": "x"})
    assert [one.name for one in versions.asked(base)] == ["Campaign"]
    assert dict(written.values) == {"Campaign": "c", "a": "{{ now }}"}
    names = [one.name for one in written.version.read_parameters()]
    assert names == ["Campaign", "Tenant", "a"]


@pytest.mark.parametrize(
    "key", ["a}}b", "{x", "a|b", "\u202e", " ", "", "n" * 5_000, "Campaign", "a[0]"]
)
def test_a_place_of_any_name_has_a_parameter(key):
    """What a name is must not matter: nothing collides, nothing breaks the braces."""
    base = payload_version(
        path="/{{Campaign}}", parameters=[factories.parameter("Campaign")]
    )
    text = f'{{"{key}": {{{{ now }}}}, "a": [{{{{ profile.x }}}}], "b": "{key}"}}'
    written = versions.write(base, text, {"Campaign": "spring"})
    names = [one.name for one in written.version.read_parameters()]
    assert len(set(names)) == len(names) == 3
    assert written.values["Campaign"] == "spring"


def test_long_places_do_not_make_a_payload_too_large():
    # Each place would be named in full, which is more than the payload itself.
    keys = ", ".join(f'"{"k" * 100}{n}": {{{{now}}}}' for n in range(400))
    text = f'{{"a": {{{keys}}}, "x": "{"y" * (MAX_BYTES - 52_000)}"}}'
    assert MAX_BYTES - 6_000 < len(text.encode()) <= MAX_BYTES
    written = versions.write(payload_version(), text, {})
    assert {len(one.name) for one in written.parameters} == {8}
    with pytest.raises(BodyError, match="larger than 64 KB"):
        # As JSON is written, each of these takes twice as much.
        versions.write(payload_version(), "[" + ",".join(["1e5"] * 16_000) + "]", {})


def test_the_same_payload_is_one_row_and_what_nobody_names_goes(written):
    engagement = written()
    base = engagement.version.base
    other = write(
        factories.make_engagement(engagement.segment, base, {}), PAYLOAD, base
    )
    assert other.version_id == engagement.version_id
    assert base.payloads.count() == 1
    run = factories.make_run(engagement)

    write(engagement, PAYLOAD.replace("points", "score"), base)
    write(other, PAYLOAD.replace("points", "level"), base)
    write(other, PAYLOAD.replace("points", "rank"), base)
    write(other, PAYLOAD.replace("points", "rank"), base)

    kept = {one.payload for one in base.payloads.all()}
    # The run's own stays as long as the run.
    assert Run.objects.get(pk=run.pk).version.payload == PAYLOAD
    assert kept == {
        PAYLOAD,
        PAYLOAD.replace("points", "score"),
        PAYLOAD.replace("points", "rank"),
    }


@pytest.mark.parametrize("is_used", [True, False])
def test_it_goes_with_the_engagement_that_is_deleted(written, admin_page, is_used):
    engagement = written()
    payload, base = engagement.version, engagement.version.written_on
    if is_used:
        copies.duplicate(engagement, factories.make_user())
    url = reverse("admin:engagements_engagement_delete", args=[engagement.pk])
    assert admin_page.post(url, {"post": "yes"}).status_code == 302
    assert not Engagement.objects.filter(pk=engagement.pk).exists()
    assert ExternalAPIVersion.objects.filter(pk=payload.pk).exists() is is_used
    assert ExternalAPIVersion.objects.filter(pk=base.pk).exists()


def test_it_goes_by_the_number_of_the_version_it_is_written_on(written):
    engagement = written()
    api = engagement.version.external_api
    assert engagement.version.number == engagement.version.base.number == 1
    assert not engagement.is_behind
    assert [one.pk for one in api.own_versions] == [engagement.version.base.pk]
    (use,) = api.uses()
    assert use.version_id == engagement.version.base.pk
    newer = payload_version("{}", external_api=api, number=2)
    assert engagement.is_behind
    assert newer.external_api.find_status() == "draft"


def test_it_begins_with_what_is_known_of_the_body():
    version = payload_version(
        """{"attributes": [{"external_id": {{ID}}, "vip": "{{VIP}}",
  "name": {{Name}}, "hello": "Hi {{Name}} of {{Brand}}", "score": {{Score}},
  "plan": "{{Plan}}"}]}""",
        parameters=[
            factories.parameter("ID", level="identifier"),
            factories.parameter("VIP", level="fixed", type="boolean", value="yes"),
            factories.parameter("Brand", level="fixed", value='A "B"'),
            factories.parameter("Name"),
            factories.parameter("Score", type="number", default="1.5"),
            factories.parameter("Plan"),
        ],
    )
    values = {"Name": '{{ profile.first_name | default: "you" }}'}
    assert (
        beginning(version, values)
        == r"""{"attributes": [{"external_id": {{ profile.external_id }}, "vip": true,
  "name": {{ profile.first_name | default: "you" }}, "hello": "Hi {{ profile.first_name | default: \"you\" }} of A \"B\"", "score": 1.5,
  "plan": "{{Plan}}"}]}"""
    )
    assert versions.write(version, beginning(version, values), {}).version.payload


def test_a_body_that_is_no_json_is_no_payload(admin_page):
    typed = {
        "name": "A form",
        "channel": "other",
        "channel_identifier": "email",
        "connection": factories.make_connection().pk,
        "method": "POST",
        "path": "/x",
        "headers": "",
        "body_kind": "form",
        "payload_level": LEVEL,
        "body": "a = b",
        "batching": "one",
    }
    page = admin_page.post(reverse("admin:externalapi_externalapi_add"), typed)
    (words,) = page.context["adminform"].form.errors["payload_level"]
    assert "is JSON" in words
    admin_page.post(
        reverse("admin:externalapi_externalapi_add"),
        {**typed, "body_kind": "json", "body": ""},
    )
    version = ExternalAPIVersion.objects.get()
    assert (version.payload_level, version.body) == (LEVEL, "")
