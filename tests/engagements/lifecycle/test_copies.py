"""An engagement is duplicated: all that was set comes along, and nothing that happened."""

from dataclasses import replace
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse

from engagements.guards import approved
from engagements.lifecycle import copies
from engagements.models import Engagement, FrequencyCap
from engagements.variants import plan
from externalapi.models import ExternalAPIVersion
from tests import factories
from tests.engagements.payload.conftest import PAYLOAD, payload_version, write
from tests.engagements.variants.conftest import HALF
from tests.pages import words

pytestmark = pytest.mark.django_db

# Another value than the usual one for each field that somebody sets.
SET: dict[str, Any] = {
    "description": "Who asked for a card",
    "trigger": "schedule",
    "repeat": "cron",
    "includes_present": True,
    "delay": 5,
    "delay_unit": "hours",
    "most_events": 3,
    "most_events_per": "day",
    "starts_at": "2026-12-01T09:00Z",
    "weekdays": [0, 4],
    "month_day": 31,
    "cron": "0 9 * * 1",
    "ends_at": "2027-12-01T09:00Z",
    "time_zone": "Asia/Kolkata",
    "zone_attribute": "zone",
    "again": "after_days",
    "again_after_days": 7,
    "skips_who_left": False,
    "holdout_share": 5,
    "heeds_global_holdout": False,
    "quiet_from": "21:00",
    "quiet_to": "08:00",
    "quiet_zone_attribute": "zone",
    "quiet_time_zone": "Asia/Kolkata",
    "quiet_action": "skip",
    "heeds_caps": False,
    "has_priority": True,
    "ceiling": 1_000,
    "approval_above": 500,
    "sync_mode": "changed",
    "sends_deltas": True,
    "clears_who_left": True,
    "ambiguous_policy": "resend",
    "variants": HALF.as_json(),
}
# What happened, who did it and when: none of it is the copy's.
HAPPENED: dict[str, Any] = {
    "state": "blocked",
    "blocked_reason": "Braze refused the key.",
    "blocked_key_version": 2,
    "refusal": "Invalid key",
    "refusals": 4,
    "refused_since": "2026-01-01T00:00Z",
    "is_notice_due": True,
    "is_held": True,
    "sync_epoch": 3,
    "activated_at": "2026-01-01T00:00Z",
    "active_since": "2026-01-01T00:00Z",
    "winner_at": "2026-01-01T00:00Z",
}
ITS_OWN = {
    *("id", "name", "created_at", "updated_at", "created_by"),
    *("changed_by", "schedule_set_at", "winner_by"),
}


def url(engagement):
    return reverse("admin:engagements_engagement_duplicate", args=[engagement.pk])


def stored(engagement) -> dict[str, Any]:
    return dict(Engagement.objects.values().get(pk=engagement.pk))


@pytest.fixture
def original() -> Engagement:
    return factories.make_engagement(name="Lead form", **SET, **HAPPENED)


def test_every_field_is_set_or_has_happened(original):
    fields = {field.name for field in Engagement._meta.concrete_fields}
    assert fields == {*SET, *HAPPENED, *ITS_OWN, "segment", "version", "values"}
    usual = {name: Engagement._meta.get_field(name).get_default() for name in SET}
    assert not [name for name, is_ in usual.items() if SET[name] == is_]


def test_the_copy_has_all_that_was_set_and_nothing_that_happened(original):
    user = factories.make_user()
    made = copies.duplicate(original, user)
    before, after = stored(original), stored(made)
    kept = {*SET, "segment_id", "version_id", "values"}
    assert {name: after[name] for name in kept} == {n: before[n] for n in kept}
    fresh = stored(factories.make_engagement())
    assert {name: after[name] for name in HAPPENED} == {
        name: fresh[name] for name in HAPPENED
    }
    assert (made.name, made.state) == ("Copy of Lead form", "draft")
    assert (made.created_by, made.changed_by) == (user, [user.pk])
    assert made.schedule_set_at and not made.runs.exists()
    assert approved.content(made)["fields"] == approved.content(original)["fields"]


def test_excluded_segments_come_along(original):
    others = [factories.make_segment(), factories.make_segment()]
    original.excluded_segments.set(others)
    made = copies.duplicate(original, factories.make_user())
    assert set(made.excluded_segments.all()) == set(others)


def test_a_winner_of_what_was_sent_is_not_the_copys(original):
    chosen = replace(HALF, winner="B").as_json()
    original.variants, original.winner_by = chosen, factories.make_admin()
    original.save()
    made = copies.duplicate(original, factories.make_user())
    assert plan.of(made) == HALF
    assert made.winner_at is made.winner_by is None


def test_a_payload_that_is_written_in_it_is_there_as_long_as_one_has_it():
    base = payload_version()
    engagement = write(
        factories.make_engagement(version=base, values={}), PAYLOAD, base
    )
    payload = engagement.version
    made = copies.duplicate(engagement, factories.make_user())
    assert made.version == payload and made.values == engagement.values
    engagement.delete()
    assert ExternalAPIVersion.objects.filter(pk=payload.pk).exists()


def test_two_copies_have_names_of_their_own(admin_client):
    engagement = factories.make_engagement(name="L" * 255)
    for _ in range(2):
        assert admin_client.post(url(engagement)).status_code == 302
    first, second = Engagement.objects.exclude(pk=engagement.pk).order_by("pk")
    assert first.name == f"Copy of {'L' * 247}"
    assert second.name.endswith("(2)") and len(second.name) == 255


def test_the_page_says_what_comes_along_and_leads_to_the_copy(admin_client):
    engagement = factories.make_engagement(name="Lead form", state="active")
    FrequencyCap.objects.create(name="Twice", most=2, engagement=engagement)
    page = admin_client.get(engagement.get_absolute_url())
    assert f'href="{url(engagement)}"' in page.content.decode()
    asked = words(admin_client.get(url(engagement)))
    assert "Duplicate “Lead form”?" in asked and "a draft" in asked
    assert "“Twice” is not copied" in asked
    page = admin_client.post(url(engagement), follow=True)
    made = Engagement.objects.get(name="Copy of Lead form")
    assert page.redirect_chain[-1][0] == made.get_absolute_url()
    assert "“Copy of Lead form” is made, as a draft." in words(page)
    entry = LogEntry.objects.get(object_id=made.pk)
    assert "Duplicated from “Lead form”." in entry.change_message


def test_who_may_not_add_one_is_offered_none(client):
    engagement = factories.make_engagement()
    client.force_login(factories.make_user("engagements.view_engagement"))
    page = client.get(engagement.get_absolute_url())
    assert page.status_code == 200 and url(engagement) not in page.content.decode()
