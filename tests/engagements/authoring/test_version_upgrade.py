"""An engagement moves to another version of its External API."""

import pytest

from engagements.audience import expansion
from engagements.authoring.preview import GENERAL
from engagements.authoring.version_upgrade import VersionUpgradeError, plan, upgrade
from engagements.delivery import loop
from engagements.lifecycle import transitions
from engagements.models import Run
from tests import factories

pytestmark = pytest.mark.django_db


def body(**attributes):
    return {"attributes": [{"external_id": "{{User ID}}", **attributes}]}


USER = factories.parameter("User ID", level="identifier")
NAME = factories.parameter("Name")
OLD = body(first_name="{{Name}}")


@pytest.fixture
def old(braze):
    return factories.make_version(OLD, [USER, NAME], connection=braze)


def newer(old, attributes, *parameters):
    return factories.make_version(
        body(**attributes),
        [USER, *parameters],
        external_api=old.external_api,
        connection=old.connection,
    )


def engaged(old, **fields):
    fields.setdefault("values", {"Name": "{{ profile.first_name }}"})
    return factories.make_engagement(version=old, **fields)


# --- What a move would do -----------------------------------------------------------


def test_values_are_kept_by_name(old):
    new = newer(old, {"first_name": "{{Name}}", "plan": "gold"}, NAME)
    move = plan(engaged(old), new, {})
    assert move.kept == ("Name",)
    assert move.values == {"Name": "{{ profile.first_name }}"}
    assert (move.added, move.removed, move.renamed, move.problems) == ((), {}, {}, {})


def test_a_parameter_in_the_place_of_another_is_the_other_renamed(old):
    new = newer(
        old, {"first_name": "{{First name}}"}, factories.parameter("First name")
    )
    move = plan(engaged(old), new, {})
    assert move.renamed == {"First name": "Name"}
    assert move.values == {"First name": "{{ profile.first_name }}"}
    assert (move.kept, move.added, move.removed, move.problems) == ((), (), {}, {})


def test_renames_are_followed_from_version_to_version(old):
    """First the name, then the place: compared at once, it would be another one."""
    first = factories.parameter("First")
    newer(old, {"first_name": "{{First}}"}, first)
    new = newer(
        old,
        {"nick": "{{First}}", "first_name": "{{Other}}"},
        first,
        factories.parameter("Other", required=False),
    )
    move = plan(engaged(old), new, {})
    assert move.renamed == {"First": "Name"}
    assert move.values == {"First": "{{ profile.first_name }}"}
    assert [parameter.name for parameter in move.added] == ["Other"]


def test_who_has_taken_an_old_name_since_does_not_get_its_value(old):
    newer(old, {"first_name": "{{First}}"}, factories.parameter("First"))
    new = newer(
        old,
        {"first_name": "{{First}}", "name": "{{Name}}"},
        factories.parameter("First"),
        factories.parameter("Name", required=False),
    )
    move = plan(engaged(old), new, {})
    assert move.values == {"First": "{{ profile.first_name }}"}
    assert [parameter.name for parameter in move.added] == ["Name"]


def test_a_name_that_comes_back_has_its_value_again(old):
    newer(old, {"language": "en"})
    new = newer(old, {"first_name": "{{Name}}"}, NAME)
    move = plan(engaged(old), new, {})
    assert (move.kept, move.removed) == (("Name",), {})
    assert move.values == {"Name": "{{ profile.first_name }}"}


def test_a_rename_is_followed_back_to_an_older_version(old):
    new = newer(old, {"first_name": "{{First}}"}, factories.parameter("First"))
    move = plan(engaged(new, values={"First": "x"}), old, {})
    assert move.renamed == {"Name": "First"}
    assert move.values == {"Name": "x"}


def test_a_renamed_parameter_is_asked_for_as_its_place_proves_little(old):
    """The e-mail address may have given way to the phone number."""
    new = newer(old, {"first_name": "{{Phone}}"}, factories.parameter("Phone"))
    move = plan(engaged(old), new, {"Phone": "{{ profile.phone }}"})
    assert [parameter.name for parameter in move.asked({})] == ["Phone"]
    assert move.values == {"Phone": "{{ profile.phone }}"}


def test_a_new_parameter_needs_a_value_before_it_can_move(old):
    new = newer(
        old,
        {"first_name": "{{Name}}", "plan": "{{Plan}}"},
        NAME,
        factories.parameter("Plan", type="integer"),
    )
    engagement = engaged(old)
    move = plan(engagement, new, {})
    assert [parameter.name for parameter in move.added] == ["Plan"]
    assert move.problems == {
        "Plan": "Enter a value, or insert a personalization variable."
    }
    assert "whole number" in plan(engagement, new, {"Plan": "x"}).problems["Plan"]
    move = plan(engagement, new, {"Plan": "7"})
    assert move.problems == {}
    assert move.values == {"Name": "{{ profile.first_name }}", "Plan": "7"}


@pytest.mark.parametrize("given", [{"required": False}, {"default": "7"}])
def test_a_new_parameter_that_may_stay_empty_asks_for_nothing(old, given):
    new = newer(
        old,
        {"first_name": "{{Name}}", "plan": "{{Plan}}"},
        NAME,
        factories.parameter("Plan", **given),
    )
    assert plan(engaged(old), new, {}).problems == {}


def test_the_value_of_a_parameter_that_is_gone_goes_with_it(old):
    new = newer(old, {"language": "en"})
    move = plan(engaged(old), new, {})
    assert move.removed == {"Name": "{{ profile.first_name }}"}
    assert (move.values, move.problems) == ({}, {})


def test_a_parameter_that_is_fixed_now_is_asked_no_more(old):
    new = newer(
        old,
        {"first_name": "{{Name}}"},
        factories.parameter("Name", level="fixed", value="Ann"),
    )
    move = plan(engaged(old), new, {})
    assert move.removed == {"Name": "{{ profile.first_name }}"}
    assert (move.values, move.problems) == ({}, {})


def test_a_kept_value_that_is_not_of_the_new_type_is_asked_for(old):
    new = newer(
        old, {"first_name": "{{Name}}"}, factories.parameter("Name", type="integer")
    )
    engagement = engaged(old, values={"Name": "Ann"})
    move = plan(engagement, new, {})
    assert list(move.problems) == ["Name"]
    assert [parameter.name for parameter in move.asked({})] == ["Name"]
    assert plan(engagement, new, {"Name": "3"}).values == {"Name": "3"}


def test_a_version_of_another_external_api_is_no_way_to_go(old):
    other = factories.make_version(OLD, [USER, NAME])
    assert GENERAL in plan(engaged(old), other, {}).problems


def test_a_version_that_cannot_be_read_is_no_way_to_go(old):
    broken = factories.make_version("{", [], external_api=old.external_api)
    assert GENERAL in plan(engaged(old), broken, {}).problems


def test_an_active_engagement_does_not_move_to_a_connection_without_a_key(old):
    new = factories.make_version(OLD, [USER, NAME], external_api=old.external_api)
    assert (
        "has no key yet"
        in plan(engaged(old, state="active"), new, {}).problems[GENERAL]
    )
    assert plan(engaged(old), new, {}).problems == {}


# --- Moving -------------------------------------------------------------------------


def test_a_draft_has_the_new_version_and_its_values(old):
    new = newer(
        old, {"first_name": "{{First name}}"}, factories.parameter("First name")
    )
    engagement = engaged(old)
    upgrade(engagement, new, {})
    assert engagement.version == new
    assert engagement.values == {"First name": "{{ profile.first_name }}"}


def test_what_cannot_move_stays_as_it_is(old):
    new = newer(old, {"plan": "{{Plan}}"}, factories.parameter("Plan"))
    engagement = engaged(old)
    with pytest.raises(VersionUpgradeError) as caught:
        upgrade(engagement, new, {})
    assert list(caught.value.move.problems) == ["Plan"]
    engagement.refresh_from_db()
    assert engagement.version == old


def test_a_standing_run_goes_on_with_the_new_version(old, sandbox):
    """Who was taken in before is sent as it was; who enters later gets the new one."""
    new = newer(old, {"first_name": "{{Name}}", "plan": "gold"}, NAME)
    early = factories.make_profile(external_id="early", first_name="Ann")
    late = factories.make_profile(external_id="late", first_name="Bo")
    segment = factories.make_segment()
    engagement = engaged(old, segment=segment)
    transitions.activate(engagement)
    factories.enter(segment, early)
    expansion.expand(expansion.expandable_runs())

    upgrade(engagement, new, {})
    factories.enter(segment, late)
    loop.work()

    was, now = Run.objects.filter(engagement=engagement).order_by("pk")
    assert (was.version, was.is_standing) == (old, False)
    assert (now.version, now.is_standing, now.values) == (new, True, engagement.values)
    assert sandbox.user("early")["custom_attributes"] == {}
    assert sandbox.user("late")["custom_attributes"] == {"plan": "gold"}
    assert len(sandbox.requests()) == 2


def test_a_paused_engagement_takes_it_when_it_is_resumed(old):
    new = newer(old, {"first_name": "{{Name}}", "plan": "gold"}, NAME)
    engagement = engaged(old)
    transitions.activate(engagement)
    transitions.pause(engagement)
    upgrade(engagement, new, {})
    standing = Run.objects.filter(engagement=engagement, is_standing=True)
    assert standing.get().version == old
    transitions.resume(engagement)
    assert standing.get().version == new


def test_a_schedules_run_at_work_keeps_its_version(old):
    new = newer(old, {"first_name": "{{Name}}", "plan": "gold"}, NAME)
    engagement = engaged(old, trigger="schedule", repeat="daily")
    transitions.activate(engagement)
    upgrade(engagement, new, {})
    assert engagement.state == "active"
    assert [run.version for run in engagement.runs.all()] == [old]
