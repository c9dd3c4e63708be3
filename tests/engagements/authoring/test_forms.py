"""Engagement Creation's form: what it asks for, what it refuses, what it keeps."""

import datetime as dt
import re
from typing import Any

import pytest

from engagements.authoring.forms import EngagementForm
from engagements.models import Engagement
from tests import factories

pytestmark = pytest.mark.django_db


def parameters(form: EngagementForm) -> dict[str, str]:
    """Parameter name → the name of its field in the form."""
    return {i.parameter.name: i.field.html_name for i in form.parameter_inputs}


def typed(version, segment=None, values=None, **fields) -> dict[str, Any]:
    """What a browser would post."""
    names = parameters(EngagementForm(initial={"version": version.pk}))
    given = {names[name]: text for name, text in (values or {}).items()}
    return {
        "name": "Lead form",
        "segment": (segment or factories.make_segment()).pk,
        "version": version.pk,
        "trigger": "on_entry",
        "repeat": "once",
        "time_zone": "UTC",
        "ambiguous_policy": "park",
        **given,
        **fields,
    }


def one_parameter(**settings):
    return factories.make_version(
        {"attributes": [{"x": "{{The value}}"}]},
        [{**factories.parameter("The value"), **settings}],
    )


def error_of(version, text, segment=None) -> str:
    form = EngagementForm(typed(version, segment, {"The value": text}))
    form.is_valid()
    name = parameters(form)["The value"]
    return " ".join(str(e) for e in form.errors.get(name, []))


def test_it_asks_for_the_parameters_that_are_exposed_by_their_exact_names():
    version = factories.make_version(
        {"attributes": [{"a": "{{Name of the User}}", "b": "{{b}}", "c": "{{c}}"}]},
        [
            factories.parameter("Name of the User"),
            factories.parameter("b", level="fixed", value="1"),
            factories.parameter("c", level="identifier"),
        ],
    )
    form = EngagementForm(initial={"version": version.pk})
    assert [i.field.label for i in form.parameter_inputs] == ["Name of the User"]


@pytest.mark.parametrize(
    ("settings", "hint"),
    [
        ({}, "Text · required"),
        ({"required": False}, "Text · optional"),
        ({"type": "datetime", "required": False}, "Date and time · optional"),
        ({"type": "integer", "default": "7"}, "Whole number · if empty: 7"),
        (
            {"transform": "lower"},
            "Text · required · sent as: Lower case, without spaces around it",
        ),
    ],
)
def test_a_hint_names_type_necessity_and_default(settings, hint):
    form = EngagementForm(initial={"version": one_parameter(**settings).pk})
    assert form.parameter_inputs[0].hint == hint


def input_of(**settings):
    form = EngagementForm(initial={"version": one_parameter(**settings).pk})
    (only,) = form.parameter_inputs
    return only, str(only.field)


def test_an_input_has_the_label_and_what_its_author_says_of_it():
    shown, _ = input_of(label="First name", description="As in a letter.")
    assert shown.field.label == "First name"
    assert shown.field.help_text == "As in a letter."


@pytest.mark.parametrize(
    ("settings", "placeholder"),
    [
        ({}, None),
        ({"example": "Ann"}, "For example Ann"),
        ({"default": "there", "example": "Ann"}, "If empty: there"),
        ({"type": "integer"}, "For example 42"),
        ({"type": "datetime"}, "For example 2025-01-31T09:30:00Z"),
        ({"allowed": ["a", "b"]}, None),
        ({"type": "boolean"}, None),
    ],
)
def test_an_empty_input_says_what_is_sent_then_or_an_example(settings, placeholder):
    _, html = input_of(**settings)
    found = re.search(r'placeholder="([^"]*)"', html)
    assert (found[1] if found else None) == placeholder


@pytest.mark.parametrize(
    ("settings", "choices"),
    [
        ({}, ()),
        ({"allowed": ["free", "gold"]}, ("free", "gold")),
        ({"type": "boolean"}, ("true", "false")),
        ({"type": "integer", "allowed": ["1", "2"]}, ("1", "2")),
    ],
)
def test_values_that_are_allowed_are_offered(settings, choices):
    shown, html = input_of(**settings)
    assert shown.choices == choices
    assert (f'list="{shown.list_id}"' in html) is bool(choices)


@pytest.mark.parametrize("kind", ["list", "object"])
def test_lists_and_objects_have_room(kind):
    assert "<textarea" in input_of(type=kind)[1]


def test_it_saves_what_was_typed_by_the_parameter_s_name():
    version = factories.make_version()
    values = {"Name of the User": " {{ profile.email }} ", "Plan": ""}

    engagement = EngagementForm(typed(version, values=values)).save()

    engagement.refresh_from_db()
    assert engagement.values == {"Name of the User": "{{ profile.email }}"}
    assert engagement.state == Engagement.State.DRAFT


@pytest.mark.parametrize(
    ("settings", "text", "message"),
    [
        ({}, "", "Enter a value, or insert a personalization variable."),
        ({"required": False}, "", ""),
        ({"default": "free"}, "", ""),
        ({}, "the same for everybody", ""),
        ({}, "{{ profil.name }}", "There is no variable “profil”."),
        ({}, "{{ profile.name", "A {{ has no }} that closes it."),
        ({}, "{% if a %}x{% endif %}", "There is no variable “a”."),
        ({}, "{% if profile.a %}x", "A {% if %} has no {% endif %}"),
        ({}, "{{ profile.name | shout }}", "There is no filter “shout”."),
        ({"type": "integer"}, "abc", "“abc” is not a whole number."),
        ({"type": "integer"}, "42", ""),
        ({"type": "boolean"}, "maybe", "“maybe” is not true or false."),
        ({"type": "datetime"}, "tomorrow", "“tomorrow” is not a date and time"),
        ({"type": "list"}, '["a"]', ""),
        # What a variable gives is only known for one person.
        ({"type": "integer"}, "{{ profile.age }}", ""),
        ({"allowed": ["free", "gold"]}, "gold", ""),
        ({"allowed": ["free", "gold"]}, "silver", "“silver” is not one of free, gold."),
        ({"allowed": ["free", "gold"]}, "{{ profile.plan }}", ""),
    ],
)
def test_a_value_is_checked_where_it_was_typed(settings, text, message):
    version = one_parameter(**settings)
    error = error_of(version, text)
    assert message in error if message else error == ""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "{{ profile.frist_name }}",
            "Nobody in “Leads” has “frist_name”. Did you mean “first_name”?"
            " Add a default to send it anyway.",
        ),
        ("{{ profile.zodiac }}", "Nobody in “Leads” has “zodiac”. Add a default"),
        ('{{ profile.frist_name | default: "there" }}', ""),
        ("{{ profile.first_name }}", ""),
        ("{{ profile.email }}", ""),
        ("{{ profile.phone }}", "Nobody in “Leads” has “phone”."),
        ("{{ event.properties.product }}", ""),
        (
            "{{ event.properties.produkt }}",
            "No event that brought people into “Leads” has “produkt”."
            " Did you mean “product”?",
        ),
        ("{{ event.name }}", ""),
    ],
)
def test_a_variable_that_nobody_in_the_segment_has_is_named(text, message):
    ann = factories.make_profile(first_name="Ann")
    segment = factories.make_segment(name="Leads")
    factories.enter(segment, ann, factories.make_event(ann, product="SKU-1"))

    error = error_of(one_parameter(), text, segment)

    assert message in error if message else error == ""


def test_a_segment_without_people_is_not_asked():
    assert error_of(one_parameter(), "{{ profile.frist_name }}") == ""


def test_a_rare_attribute_beyond_the_sample_is_known(monkeypatch):
    monkeypatch.setattr("engagements.personalization.variable_catalog.SAMPLE", 1)
    people = [factories.make_profile(rare=1), factories.make_profile()]
    segment = factories.make_segment(people)

    assert error_of(one_parameter(), "{{ profile.rare }}", segment) == ""


def test_a_start_is_the_wall_clock_of_the_chosen_zone():
    data = typed(
        one_parameter(),
        values={"The value": "x"},
        trigger="schedule",
        starts_at="2026-07-01T09:00",
        time_zone="Europe/Berlin",
    )
    engagement = EngagementForm(data).save()

    engagement.refresh_from_db()
    assert engagement.starts_at == dt.datetime(2026, 7, 1, 7, 0, tzinfo=dt.UTC)
    again = EngagementForm(instance=engagement)
    assert 'value="2026-07-01T09:00"' in str(again["starts_at"])


@pytest.mark.parametrize(
    ("fields", "field", "message"),
    [
        ({"time_zone": "Berlin"}, "time_zone", "There is no time zone “Berlin”."),
        (
            {
                "trigger": "schedule",
                "time_zone": "Europe/Berlin",
                "starts_at": "2026-03-29T02:30",
            },
            "starts_at",
            "The clocks in Europe/Berlin skip this time.",
        ),
        ({"name": ""}, "name", "This field is required."),
        ({"segment": ""}, "segment", "This field is required."),
        ({"version": ""}, "version", "This field is required."),
        ({"version": "x"}, "version", "Select a valid choice."),
    ],
)
def test_basic_details_are_checked(fields, field, message):
    form = EngagementForm({**typed(one_parameter()), **fields})
    assert message in str(form.errors[field])


@pytest.mark.parametrize(
    ("body", "policy"),
    [
        ({"attributes": [{"external_id": "1"}]}, "resend"),
        ({"events": [{"name": "lead"}]}, "park"),
    ],
)
def test_the_best_policy_follows_the_payload(body, policy):
    version = factories.make_version(body, [])
    assert EngagementForm(initial={"version": version.pk}).best_policy == policy


def test_an_older_version_stays_until_another_one_is_chosen():
    old = one_parameter()
    engagement = factories.make_engagement(version=old, values={"The value": "x"})
    new = factories.make_version(external_api=old.external_api)

    form = EngagementForm(instance=engagement)

    choices = str(form["version"])
    name = old.external_api.name
    assert f"{name} (version 2)" in choices
    assert f"{name} (version 1, in use here; a newer one exists)" in choices
    assert form.chosen_version == old
    assert new != old


def test_a_version_that_is_nobody_s_current_one_cannot_be_chosen():
    old = one_parameter()
    factories.make_version(external_api=old.external_api)
    form = EngagementForm(typed(old, values={}))
    assert "version" in form.errors


def test_switching_the_external_api_keeps_what_was_typed():
    first = one_parameter()
    second = factories.make_version(
        {"attributes": [{"x": "{{The value}}", "y": "{{Another}}"}]},
        [factories.parameter("The value"), factories.parameter("Another")],
    )
    posted = typed(second, values={"The value": "kept", "Another": "kept too"})

    back = EngagementForm.of_typed({**posted, "version": str(first.pk)})

    assert back.typed_values == {"The value": "kept"}
    assert [value for _, value in back.kept] == ["kept too"]
    assert back["name"].value() == "Lead form"
    assert not back.errors


def test_an_active_engagement_keeps_its_values_whatever_is_posted():
    version = one_parameter()
    engagement = factories.make_engagement(
        version=version, values={"The value": "as activated"}, state="active"
    )
    other = factories.make_segment()
    data = typed(version, other, {"The value": "changed"}, name="New name")

    form = EngagementForm(data, instance=engagement)
    assert form.is_valid(), form.errors
    form.save()

    engagement.refresh_from_db()
    assert engagement.name == "New name"
    assert engagement.values == {"The value": "as activated"}
    assert engagement.segment != other


def test_saving_never_writes_the_state():
    version = one_parameter()
    stale = factories.make_engagement(version=version, state="paused")
    Engagement.objects.filter(pk=stale.pk).update(state="ended")
    data = typed(version, stale.segment, {"The value": "x"})
    form = EngagementForm(data, instance=stale)

    form.save()

    stale.refresh_from_db()
    assert stale.state == "ended"


@pytest.mark.parametrize("state", ["paused", "blocked"])
@pytest.mark.parametrize("field", ["segment", "trigger"])
def test_what_is_at_work_keeps_its_people_and_its_trigger(state, field):
    """Its run has people of the one segment in line, and takes in by the one trigger."""
    version = one_parameter()
    own = factories.make_segment()
    engagement = factories.make_engagement(
        own, version, state=state, trigger="schedule", values={"The value": "x"}
    )
    other = {"segment": factories.make_segment().pk, "trigger": "on_entry"}
    same = typed(version, own, {"The value": "y"}, trigger="schedule")

    assert EngagementForm(same, instance=engagement).is_valid()
    form = EngagementForm({**same, field: other[field]}, instance=engagement)

    assert not form.is_valid()
    (words,) = form.errors[field]
    assert "End it first" in str(words)


def test_after_its_end_an_engagement_may_have_other_people():
    version = one_parameter()
    engagement = factories.make_engagement(
        factories.make_segment(), version, state="ended", values={"The value": "x"}
    )
    data = typed(version, factories.make_segment(), {"The value": "x"})

    assert EngagementForm(data, instance=engagement).is_valid()
