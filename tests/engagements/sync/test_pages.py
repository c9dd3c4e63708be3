"""What the pages say of a sync mode, and the button of a full resync."""

import pytest
from django.urls import reverse

from engagements.authoring import sync_section
from engagements.authoring.forecast import activation_impact, resend
from engagements.authoring.forms import EngagementForm
from engagements.authoring.version_upgrade import plan
from engagements.models import Accepted, Engagement
from engagements.recovery import after_restore
from engagements.sync import shape
from externalapi.models import Connection
from lemnisk_braze.lib import database_clock
from tests import factories
from tests.engagements.sync.conftest import (
    attributes_version,
    bodies,
    change,
    person,
    run_once,
)

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def typed(braze):
    """A form with these choices, beside what every form has."""
    version = attributes_version(braze)
    segment = factories.make_segment()

    def make(**fields) -> EngagementForm:
        return EngagementForm(
            {
                "name": "Plans",
                "segment": segment.pk,
                "version": version.pk,
                "trigger": "schedule",
                "repeat": "daily",
                "time_zone": "UTC",
                "again": "usual",
                "ambiguous_policy": "resend",
                **fields,
            }
        )

    return make


def test_the_choices_are_saved(typed):
    form = typed(sync_mode="changed", sends_deltas="on", clears_who_left="on")

    assert form.is_valid(), form.errors
    saved = form.save()
    saved.refresh_from_db()
    assert (saved.sync_mode, saved.sends_deltas, saved.clears_who_left) == (
        "changed",
        True,
        True,
    )
    assert saved.compares


def test_nothing_chosen_is_everyone(typed):
    form = typed()

    assert form.is_valid(), form.errors
    assert not form.save().compares


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        (
            {"sync_mode": "changed", "again": "once"},
            "sync_mode",
            sync_section.SENT_ONCE,
        ),
        (
            {"sync_mode": "new", "sends_deltas": "on"},
            "sends_deltas",
            sync_section.NOTHING_TO_COMPARE,
        ),
        (
            {"clears_who_left": "on", "trigger": "on_entry", "again": "always"},
            "clears_who_left",
            sync_section.NO_SCHEDULE,
        ),
    ],
)
def test_choices_that_mean_nothing_together_are_an_error(typed, fields, field, words):
    assert typed(**fields).errors[field] == [words]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"attributes": ["{{plan}}"]}, shape.NOT_ONE),
        ({"attributes": [{"plan": "{{plan}}"}]}, shape.NO_IDENTIFIER),
        ({"events": [{"external_id": "a", "name": "x"}]}, shape.NOT_ONE),
    ],
)
def test_a_body_without_names_of_attributes_is_an_error(typed, braze, body, words):
    version = attributes_version(braze, ("plan",), body=body)

    form = typed(version=version.pk, sends_deltas="on")

    assert form.errors["sends_deltas"] == [words]


def test_the_forecast_says_who_has_nothing_new_and_counts_data_points(syncing):
    ana, _ = person("ana", plan="pro", city="Bonn"), person("bo", plan="pro")
    engagement = syncing(sends_deltas=True)
    before = activation_impact(engagement)
    run_once(engagement)
    change(ana, plan="free")
    after = activation_impact(engagement)

    assert (before.sends, before.points, before.points_saved) == (2, 3, 0)
    assert (after.sends, after.points, after.points_saved) == (1, 1, 2)
    (reason,) = after.forecast.skipped
    assert reason.words == "Nothing has changed since Braze last accepted it"


def test_a_full_resync_says_how_many_and_sends_all_once_more(
    syncing, admin_page, sandbox
):
    ana = person("ana", plan="pro", city="Bonn")
    engagement = syncing(sends_deltas=True)
    run_once(engagement)
    change(ana, city=None)
    url = reverse("admin:engagements_engagement_resync", args=[engagement.pk])

    assert "accepted of 1 person is forgotten" in admin_page.get(url).content.decode()
    admin_page.post(url)

    assert run_once(engagement) == {"ana": "sent"}
    # What had gone is known by its name.
    assert bodies(sandbox)[-1] == {"external_id": "ana", "plan": "pro", "city": None}
    assert run_once(engagement) == {"ana": "unchanged"}


def test_one_that_compares_nothing_has_no_button(syncing, admin_page):
    person("ana", plan="pro")
    pages = [
        admin_page.get(syncing(**fields).get_absolute_url()).content.decode()
        for fields in ({}, {"sends_deltas": True})
    ]

    assert ["Full resync" in page for page in pages] == [False, True]


def test_a_move_says_before_how_many_read_differently(syncing):
    person("ana", plan="pro", city="Bonn")
    person("bo", plan="pro", city="Bonn")
    engagement = syncing(sends_deltas=True)
    run_once(engagement)
    body = {
        "attributes": [
            {"external_id": "{{ID}}", "tariff": "{{plan}}", "city": "{{city}}"}
        ]
    }
    other = attributes_version(Connection.objects.get(), body=body)
    same = attributes_version(Connection.objects.get())

    found = resend(engagement, other, engagement.values)
    assert found and (found.people, found.points, found.is_about) == (2, 2, False)
    nothing = resend(engagement, same, engagement.values)
    assert nothing and nothing.people == 0


def test_a_version_whose_attributes_have_no_names_is_no_move(syncing):
    engagement = syncing(sends_deltas=True)
    version = attributes_version(
        Connection.objects.get(),
        body={"attributes": ["{{plan}}"]},
        external_api=engagement.version.external_api,
    )

    assert plan(engagement, version, {}).problems == {"": shape.NOT_ONE}


def test_report_and_run_say_data_points(syncing, admin_page):
    ana = person("ana", plan="pro", city="Bonn")
    engagement = syncing(sends_deltas=True)
    run_once(engagement)
    change(ana, plan="free")
    run_once(engagement)

    for url in (
        engagement.get_absolute_url(),
        engagement.runs.latest("pk").get_absolute_url(),
    ):
        page = " ".join(admin_page.get(url).content.decode().split())
        assert "saved by sending only what changed" in page
    assert "<strong>1</strong> data point sent, <strong>1</strong> saved" in page


def test_after_a_restore_nothing_is_taken_for_accepted(syncing, sandbox):
    person("ana", plan="pro")
    engagement = syncing(sends_deltas=True)
    run_once(engagement)
    Engagement.objects.update(state="paused")

    after_restore.mark_uncertain(database_clock.now())

    Engagement.objects.update(state="active")
    assert run_once(engagement) == {"ana": "sent"}
    assert Accepted.objects.get().epoch == 1
