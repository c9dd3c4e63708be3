"""Variants of a payload that is written in the engagement: other values at its places."""

import json

import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse

from engagements.authoring.forms import digest
from engagements.authoring.version_upgrade import upgrade
from engagements.payload import versions
from engagements.variants import drawing, plan
from tests import factories
from tests.engagements.payload.conftest import PAYLOAD, payload_version
from tests.engagements.payload.test_form import typed
from tests.engagements.sync.conftest import bodies
from tests.engagements.variants.conftest import begun
from tests.faults import working

pytestmark = pytest.mark.django_db


def test_a_variant_has_other_values_at_places_of_the_payload(written, admin_page):
    """Asked for by the place, previewed, and kept by a move that renames nothing."""
    ana = factories.make_profile(external_id="ana", first_name="Ana", points=1)
    engagement = written(PAYLOAD, [ana])
    place = "attributes[0].first_name"
    data = {
        "name": "x",
        "segment": engagement.segment_id,
        "version": engagement.version.base.pk,
        "payload": PAYLOAD,
        "trigger": "schedule",
        "repeat": "once",
        "time_zone": "UTC",
        "ambiguous_policy": "park",
        "variant_A_name": "Plain",
        "variant_A_share": 50,
        "variant_B_name": "Greeting",
        "variant_B_share": 50,
        f"variant_B_parameter_{digest(place)}": "Dear {{ profile.first_name }}",
    }
    answer = admin_page.post(engagement.get_absolute_url(), data)
    assert answer.status_code == 302, answer.context["form"].errors
    engagement.refresh_from_db()
    its = plan.of(engagement)
    assert dict(its.variants[1].values) == {place: "Dear {{ profile.first_name }}"}

    preview = reverse("admin:engagements_engagement_preview")
    asked = {**data, "engagement": engagement.pk, "preview_variant": "B"}
    assert "Dear Ana" in admin_page.post(preview, asked).content.decode()

    newer = payload_version(
        external_api=engagement.version.external_api,
        connection=engagement.version.connection,
        headers={"X-New": "1"},
    )
    upgrade(engagement, newer, {})
    engagement.refresh_from_db()
    assert plan.of(engagement).variants == its.variants


def test_variants_of_a_payload_arrive(written, sandbox):
    people = [
        factories.make_profile(external_id=f"p{n}", first_name=f"N{n}")
        for n in range(30)
    ]
    place = "attributes[0].first_name"
    own = {place: "Dear {{ profile.first_name }}"}
    its = plan.made([plan.Variant("A", "x", 50), plan.Variant("B", "y", 50, own)])
    engagement = written(PAYLOAD, people, variants=its.as_json())
    begun(engagement)
    working.to_the_end(engagement)

    wanted = {}
    for one in people:
        number = drawing.number(its, engagement.pk, one.pk)
        wanted[one.external_id] = (
            f"{'Dear ' if number == 2 else ''}N{one.external_id[1:]}"
        )
    assert {one["external_id"]: one["first_name"] for one in bodies(sandbox)} == wanted


LONG = "k" * 190


@pytest.mark.parametrize(
    "key", ["first_name", f"{LONG}1", f"{LONG} tail", "a.b", "a}b", " a"]
)
@pytest.mark.parametrize("size", [0, 63_400])
def test_a_value_keeps_its_name_whatever_is_written_around_it(key, size):
    """Variants have other values by it, which must never go to another place."""

    def name_of(keys: list[str]) -> str:
        place = ("attributes", 0, key)
        rest = {"filling": "x" * size, "nested": {"a": {"b": "{{ now }}"}}}
        own = dict.fromkeys(keys, "{{ profile.x }}") | rest
        written = versions.write(
            payload_version(), json.dumps({"attributes": [own]}), {}
        )
        both = zip(written.reading.leaves, written.parameters, strict=True)
        names = {leaf.path: parameter for leaf, parameter in both}
        assert len({one.name for one in names.values()}) == len(names)
        assert names[place].title == f"attributes[0].{key}"
        return names[place].name

    others = [f"{LONG}0", "before", "a", "a·b"]
    long = [letter * 200 for letter in "vwxyz"]
    name = name_of([key, *long])
    assert name == name_of([*others, key, *long])
    # Where the names would make it too large, they are short.
    assert (len(name) == 8) is (size > 0)


def test_what_goes_with_its_place_is_told(written, admin_page):
    place = "attributes[0].points"
    its = plan.made(
        [
            plan.Variant("A", "x", 50),
            plan.Variant("B", "y", 50, {place: "{{ profile.score }}"}),
        ]
    )
    engagement = written(PAYLOAD, variants=its.as_json())
    data = {
        **typed(engagement.version.base, PAYLOAD.replace("points", "level", 1)),
        "segment": engagement.segment_id,
        "variant_A_name": "x",
        "variant_A_share": 50,
        "variant_B_name": "y",
        "variant_B_share": 50,
        f"variant_B_parameter_{digest(place)}": "{{ profile.score }}",
    }
    page = admin_page.post(engagement.get_absolute_url(), data, follow=True)
    said = (
        f"Variant B had for “{place}”, which is there no more: {{{{ profile.score }}}}"
    )
    assert said in [str(one) for one in page.context["messages"]]
    assert said in LogEntry.objects.latest("pk").change_message
    engagement.refresh_from_db()
    assert not plan.of(engagement).variants[1].values


def test_a_form_with_every_value_in_every_variant_is_taken(written, admin_page):
    keys = [f"k{n}" for n in range(498)]
    values = dict.fromkeys(keys, "{{ profile.first_name }}x")
    whose = {"external_id": "{{ profile.external_id }}"}
    text = json.dumps({"attributes": [whose | values]})
    engagement = written(text)
    data = {**typed(engagement.version.base, text), "segment": engagement.segment_id}
    for letter in "ABCDE":
        data |= {f"variant_{letter}_name": letter, f"variant_{letter}_share": 20}
    for letter in "BCDE":
        for key in keys:
            name = f"variant_{letter}_parameter_{digest(f'attributes[0].{key}')}"
            data[name] = letter
    assert admin_page.post(engagement.get_absolute_url(), data).status_code == 302
    engagement.refresh_from_db()
    _, *others = plan.of(engagement).variants
    assert [len(one.values) for one in others] == [498] * 4
