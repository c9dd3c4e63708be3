"""What is new since the last approval, field by field, in words."""

from dataclasses import replace

import pytest

from engagements.guards import approved
from engagements.models import Approval, Engagement
from engagements.reporting import approved_changes
from engagements.variants import plan
from externalapi.models import ExternalAPIVersion
from segments.models import Segment
from tests import factories

pytestmark = pytest.mark.django_db

PRO = {"attribute": "plan", "is": "equals", "value": "pro"}
FREE = {"attribute": "plan", "is": "equals", "value": "free"}


@pytest.fixture
def engagement() -> Engagement:
    return factories.make_engagement(factories.make_segment(rule=PRO, name="Pro"))


def approve(engagement) -> Approval:
    return factories.make_approval(
        engagement, state="approved", most=5_000, answered_at="2026-03-01T10:00Z"
    )


def lines(engagement) -> list[str]:
    asked = factories.make_approval(engagement)
    return [line.in_words for line in approved_changes.since(asked).lines]


def test_at_first_it_is_all_that_is_set(engagement):
    *said, rule = lines(engagement)
    assert said == [
        "Segment: “Pro”",
        f"Configuration: {engagement.version}",
        "“Name of the User”: {{ profile.first_name }}",
    ]
    assert rule.startswith("Who is in “Pro”: ") and "pro" in rule


def test_values_are_said_in_the_order_of_the_body(engagement):
    names = ["Zip", "A name that is longer", "City"]
    ExternalAPIVersion.objects.update(
        parameters=[factories.parameter(name) for name in names]
    )
    Engagement.objects.update(values=dict.fromkeys(reversed(names), "x"))
    said = [line for line in lines(engagement) if line.endswith(": x")]
    assert said == [f"“{name}”: x" for name in names]
    Approval.objects.all().delete()
    approve(engagement)
    Engagement.objects.update(values={"Gone": "y", **dict.fromkeys(names, "y")})
    engagement.refresh_from_db()
    said = [line.partition(":")[0] for line in lines(engagement)]
    assert said == [*(f"“{name}”" for name in names), "“Gone”"]


def test_what_is_as_it_was_is_not_said(engagement):
    approve(engagement)
    Engagement.objects.update(name="Another", description="Said otherwise")
    Segment.objects.update(name="Called otherwise", description="x")
    assert lines(engagement) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"trigger": "schedule"},
            "Trigger: As soon as someone enters the segment → On a schedule",
        ),
        ({"holdout_share": 7.5}, "Holdout, in percent: 0 → 7.5"),
        (
            {"heeds_caps": False},
            "Who has no room left under a frequency cap: is skipped → is sent all the"
            " same, and it counts",
        ),
        (
            {"skips_who_left": False},
            "Who leaves the segment while waiting: is skipped → is sent all the same",
        ),
        (
            {"heeds_global_holdout": False},
            "The holdout of all Engagements: is kept out of this one → is sent all the"
            " same",
        ),
        ({"quiet_to": "08:00"}, "Quiet until: empty → 08:00"),
        ({"ceiling": 10_000}, "Stop and ask above: empty → 10,000"),
        ({"weekdays": [0, 4]}, "Weekdays: empty → Monday, Friday"),
        ({"quiet_from": "21:30"}, "Quiet from: empty → 21:30"),
        ({"time_zone": "Asia/Kolkata"}, "Time zone: UTC → Asia/Kolkata"),
        (
            {"starts_at": "2026-03-01T10:00Z"},
            "Starts at: empty → 1 Mar 2026, 10:00:00 UTC",
        ),
        (
            {"values": {"Name of the User": "Ann"}},
            "“Name of the User”: {{ profile.first_name }} → Ann",
        ),
        ({"values": {}}, "“Name of the User”: {{ profile.first_name }} → empty"),
    ],
)
def test_each_kind_of_setting_before_and_after(engagement, changes, words):
    approve(engagement)
    Engagement.objects.update(**changes)
    [said] = lines(engagement)
    assert said == words


def test_times_are_those_of_the_engagements_zone(engagement):
    Engagement.objects.update(time_zone="Asia/Kolkata")
    approve(engagement)
    Engagement.objects.update(starts_at="2026-03-01T10:00Z")
    assert lines(engagement) == ["Starts at: empty → 1 Mar 2026, 15:30:00 IST"]


def test_a_newer_version_of_the_external_api_by_its_number(engagement):
    approve(engagement)
    newer = factories.make_version(external_api=engagement.version.external_api)
    Engagement.objects.update(version=newer)
    was = ExternalAPIVersion.objects.get(pk=engagement.version_id)
    assert lines(engagement) == [f"Configuration: {was} → {newer}"]


def test_a_rule_condition_by_condition(engagement):
    approve(engagement)
    Segment.objects.update(rule=FREE)
    [said] = lines(engagement)
    assert said.startswith("Who is in “Pro”: ") and " → " in said
    assert "pro" in said and "free" in said


def test_a_rule_in_another_order_says_so(engagement):
    Segment.objects.update(rule={"any": [PRO, FREE]})
    approve(engagement)
    Segment.objects.update(rule={"any": [FREE, PRO]})
    [said] = lines(engagement)
    assert said == "Who is in “Pro”: the same, written in another order"


def test_excluded_segments_by_name(engagement):
    approve(engagement)
    engagement.exclusions.create(segment=factories.make_segment(rule=FREE, name="Free"))
    said = lines(engagement)
    assert said[0] == "But nobody who is in: “Free”"
    assert said[1].startswith("Who is in “Free”: ")


def test_what_was_answered_says_what_was_approved_then(engagement):
    first = approve(engagement)
    Engagement.objects.update(holdout_share=5)
    second = approve(engagement)
    Engagement.objects.update(holdout_share=9)
    changes = approved_changes.since(second)
    assert changes.before == first
    [line] = changes.lines
    assert (line.label, line.after) == ("Holdout, in percent", "5")
    assert approved.last_approved(engagement) == second


def test_variants_by_letter_and_a_winner_is_no_change(engagement):
    first = plan.made(
        [
            plan.Variant("A", "As it was", 60),
            plan.Variant("B", "Short", 40, {"Name of the User": "you"}),
        ]
    )
    Engagement.objects.update(variants=first.as_json())
    approve(engagement)
    won = replace(first, winner="B")
    Engagement.objects.update(variants=won.as_json())
    assert lines(engagement) == []
    Approval.objects.filter(state="waiting").delete()
    other = plan.made(
        [
            plan.Variant("A", "As it was", 50),
            plan.Variant("B", "Short", 50, {"Name of the User": "dear"}),
        ],
        first,
    )
    Engagement.objects.update(variants=other.as_json())
    assert lines(engagement) == [
        "Variant A: “As it was”, 60 % → “As it was”, 50 %",
        "Variant B: “Short”, 40 %; “Name of the User”: you → “Short”, 50 %; “Name of the"
        " User”: dear",
    ]


def test_a_payload_that_the_engagement_writes_line_by_line(engagement):
    """It is frozen in a version of its own, called as the one that it is written on."""
    of = {"external_api": engagement.version.external_api, "number": 7}
    was = factories.make_version(**of, payload='{\n  "a": 1,\n  "b": 2\n}')
    Engagement.objects.update(version=was)
    engagement.refresh_from_db()
    approve(engagement)
    ExternalAPIVersion.objects.filter(pk=was.pk).update(number=8)
    newer = factories.make_version(**of, payload='{\n  "a": 1,\n  "b": 3\n}')
    Engagement.objects.update(version=newer)
    assert lines(engagement) == ['Payload: "b": 2 → "b": 3']
