"""A payload from activation to Braze: what arrives, what a retry says, what is kept."""

import json

import pytest
from django.urls import reverse

from engagements.authoring import forecast
from engagements.authoring.preview import preview, what_was_sent
from engagements.authoring.version_upgrade import (
    VersionUpgradeError,
    plan,
    upgrade,
)
from engagements.delivery import loop
from engagements.lifecycle import transitions
from engagements.models import Batch, Delivery, Engagement, Run
from externalapi.transfer.export_file import export
from externalapi.transfer.import_file import carry_out, read
from externalapi.transfer.import_file import plan as plan_import
from segments.models import Membership, Profile
from tests import factories
from tests.engagements.payload.conftest import LEVEL, PAYLOAD, payload_version, write
from tests.engagements.sync.conftest import bodies, requests, run_once
from tests.faults import working

pytestmark = pytest.mark.django_db


def people(count: int) -> list[Profile]:
    return [
        factories.make_profile(external_id=f"p{n}", first_name=f"Ann {n}", points=n)
        for n in range(count)
    ]


def shown(engagement: Engagement, who: Profile) -> object:
    event = Membership.objects.get(profile=who).event
    found = preview(
        engagement.version,
        engagement.values,
        engagement.segment,
        who,
        event,
        engagement,
    )
    return json.loads(found.body)


def test_what_arrives_is_what_the_previews_show_in_batches(written, sandbox):
    everybody = people(80)
    Profile.objects.filter(external_id="p7").update(attributes={})
    engagement = written(people=everybody)
    previews = {one.external_id: shown(engagement, one) for one in everybody}
    impact = forecast.activation_impact(engagement)
    assert (impact.requests, impact.sends, impact.points) == (2, 80, 79 * 2 + 1)

    transitions.activate(engagement)
    loop.work()

    assert len(sandbox.requests()) == 2
    arrived = {one["external_id"]: {"attributes": [one]} for one in bodies(sandbox)}
    assert arrived == previews
    # What nobody knows is left out with its key, and a default keeps its type.
    assert arrived["p7"] == {"attributes": [{"external_id": "p7", "first_name": "you"}]}
    assert arrived["p8"]["attributes"][0]["points"] == 8


def test_a_value_adds_no_key_and_breaks_out_of_nothing(written, sandbox):
    nasty = '", "admin": true, "x": "{{ profile.points }}{{Name}}'
    who = factories.make_profile(external_id="p", first_name=nasty, points={"a": 1})
    engagement = written(people=[who])
    transitions.activate(engagement)
    loop.work()
    assert bodies(sandbox) == [
        {"external_id": "p", "first_name": nasty, "points": {"a": 1}}
    ]


def test_conditions_choose_one_of_a_list_and_keep_its_types(written, sandbox):
    policies = [
        {"number": 7, "lapses": "2020-01-01", "sum": 1.5},
        {"number": 9, "lapses": "2090-01-01", "sum": 2},
    ]
    text = """{"events": [{"external_id": {{ profile.external_id }}, "name": "lapsing",
        "time": "{{ now }}", "properties": {
        "policy": "{% for p in profile.policies %}{% if p.lapses > now %}{{ p.number }}{% break %}{% endif %}{% endfor %}",
        "tier": "{% case profile.points %}{% when 1, 2 %}gold{% else %}none{% endcase %}"
    }}]}"""
    who = factories.make_profile(external_id="p", policies=policies, points=2)
    engagement = written(text, people=[who])
    transitions.activate(engagement)
    loop.work()
    (body,) = requests(sandbox)
    assert body["events"][0]["properties"] == {"policy": 9, "tier": "gold"}


def test_without_what_braze_needs_a_person_is_skipped_and_the_report_says_so(
    written, sandbox
):
    text = """{"purchases": [{"external_id": {{ profile.external_id }}, "currency": "EUR",
        "product_id": {{ profile.product }}, "price": {{ profile.points }},
        "time": "{{ now }}"}]}"""
    has, lacks = (
        factories.make_profile(external_id="a", product="x", points=1.5),
        factories.make_profile(external_id="b", points=1),
    )
    engagement = written(text, people=[has, lacks])
    transitions.activate(engagement)
    loop.work()
    assert [one["purchases"][0]["external_id"] for one in requests(sandbox)] == ["a"]
    skipped = Delivery.objects.get(state="skipped")
    assert skipped.profile == lacks
    assert "purchases[0].product_id" in skipped.reason


def test_a_retry_says_what_it_said_though_the_payload_was_edited(written, sandbox):
    """A run has the payload that it began with, and the next one the new."""
    engagement = written(people=people(1))
    sandbox.faults([{"kind": "status", "status": 503}])
    transitions.activate(engagement)
    loop.work()
    batch = Batch.objects.get()
    assert batch.state == Batch.State.RETRY
    transitions.pause(engagement)
    base = engagement.version.base
    write(engagement, PAYLOAD.replace('"points"', '"score"'), base)
    transitions.resume(engagement)
    working.to_the_end(engagement)
    (said,) = bodies(sandbox)
    assert said == {"external_id": "p0", "first_name": "Ann 0", "points": 0}
    delivery = Delivery.objects.get()
    assert json.loads(what_was_sent(delivery).body) == {"attributes": [said]}


def test_a_standing_run_is_renewed_when_its_payload_changes(written, sandbox):
    engagement = written(trigger=Engagement.Trigger.ON_ENTRY)
    transitions.activate(engagement)
    before = Run.objects.get(is_standing=True)
    transitions.pause(engagement)
    base = engagement.version.base
    write(engagement, PAYLOAD, base)
    transitions.resume(engagement)
    assert Run.objects.get(is_standing=True) == before
    transitions.pause(engagement)
    write(engagement, PAYLOAD.replace('"points"', '"score"'), base)
    transitions.resume(engagement)
    after = Run.objects.get(is_standing=True)
    assert after != before
    assert "score" in after.version.payload and "score" not in before.version.payload


def test_deltas_send_of_a_payload_only_what_changed(written, sandbox):
    rule = {"attribute": "first_name", "is": "exists"}
    (who,) = people(1)
    segment = factories.make_segment([who], rule=rule)
    engagement = written(
        segment=segment, repeat="hourly", sync_mode="changed", sends_deltas=True
    )
    transitions.activate(engagement)
    engagement.runs.all().delete()
    run_once(engagement)
    Profile.objects.update(attributes={"first_name": "Ann 0", "points": 5})
    run_once(engagement)
    Profile.objects.update(attributes={"first_name": "Ann 0"})
    run_once(engagement)
    assert bodies(sandbox) == [
        {"external_id": "p0", "first_name": "Ann 0", "points": 0},
        {"external_id": "p0", "points": 5},
        {"external_id": "p0", "points": None},
    ]


def test_a_newer_version_keeps_the_payload_and_takes_the_rest(written, sandbox):
    engagement = written(people=people(1))
    base = engagement.version.base
    newer = payload_version(
        '{"events": []}',
        external_api=base.external_api,
        connection=base.connection,
        number=2,
        headers={"X-New": "{{Campaign}}"},
        parameters=[factories.parameter("Campaign")],
    )
    asked = plan(engagement, newer, {})
    assert [one.name for one in asked.asked({})] == ["Campaign"]
    with pytest.raises(VersionUpgradeError):
        upgrade(engagement, newer, {})
    upgrade(engagement, newer, {"Campaign": "spring"})
    assert engagement.version.payload == PAYLOAD
    assert engagement.version.base == newer
    assert engagement.values["Campaign"] == "spring"
    transitions.activate(engagement)
    loop.work()
    (said,) = bodies(sandbox)
    assert said["first_name"] == "Ann 0"


def test_who_writes_the_payload_does_not_change_by_a_move(written):
    engagement = written()
    base = engagement.version.base
    same = factories.make_version(external_api=base.external_api, number=2)
    with pytest.raises(VersionUpgradeError, match="this one writes its own"):
        upgrade(engagement, same, {})
    engagement.refresh_from_db()
    assert engagement.version.payload == PAYLOAD
    other = factories.make_engagement(version=same)
    with pytest.raises(VersionUpgradeError, match="each Engagement writes its payload"):
        upgrade(other, base, {})


def test_pages_show_the_payload_and_move_it(written, admin_page):
    engagement = written(people=people(1))
    base = engagement.version.base
    payload_version(
        "{}", external_api=base.external_api, connection=base.connection, number=2
    )
    api = base.external_api_id
    used = admin_page.get(reverse("admin:externalapi_externalapi_used", args=[api]))
    assert engagement.name in used.content.decode()
    versions_url = reverse("admin:externalapi_externalapi_versions", args=[api])
    assert len(admin_page.get(versions_url).context["rows"]) == 2
    move = reverse("admin:engagements_engagement_move", args=[api])
    typed = {"engagement": engagement.pk, "version": "2", "_confirm": "1"}
    admin_page.post(move, typed)
    engagement.refresh_from_db()
    assert engagement.version.base.number == 2
    assert engagement.version.payload == PAYLOAD
    assert not admin_page.get(move).context["rows"]
    run = factories.make_run(engagement)
    page = admin_page.get(run.get_absolute_url()).content.decode()
    assert "The payload as it was written" in page
    assert "What has been changed in it since" not in page
    write(engagement, PAYLOAD.replace('"points"', '"score"'), engagement.version.base)
    page = admin_page.get(run.get_absolute_url())
    (changed,) = (r for r in page.context["payload_rows"] if r.kind == "changed")
    assert [piece.text for piece in changed.after if piece.is_changed] == ["score"]
    assert "What has been changed in it since" in page.content.decode()


def test_who_writes_the_payload_is_in_the_exported_file():
    base = payload_version("")
    text = export([base.external_api])
    assert json.loads(text)["external_apis"][0]["version"]["payload_level"] == LEVEL
    base.external_api.delete()
    (planned,) = plan_import(
        read(text.encode()), {base.connection.name: base.connection}
    )
    assert planned.problems == ()
    (made,) = carry_out([planned], None, "")
    assert made.current_version.payload_level == LEVEL
