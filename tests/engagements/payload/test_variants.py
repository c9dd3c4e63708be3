"""Variants of a payload that is written in the engagement: other values at its places."""

import pytest
from django.urls import reverse

from engagements.authoring.forms import digest
from engagements.authoring.version_upgrade import upgrade
from engagements.variants import drawing, plan
from tests import factories
from tests.engagements.payload.conftest import PAYLOAD, payload_version
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
