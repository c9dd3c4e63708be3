from datetime import UTC, datetime

import pytest

from engagements.personalization.liquid import (
    MISSING,
    PersonalizationError,
    compile_value,
)

CONTEXT = {
    "profile": {
        "first_name": "ana",
        "age": 42,
        "balance": 10.5,
        "is_member": True,
        "nickname": None,
        "tags": ["a", "b"],
        "address": {"city": "Pune", "size": "L"},
    },
    "event": {
        "name": "Lead",
        "time": datetime(2026, 5, 1, 9, 30, tzinfo=UTC),
        "properties": {"product": "gold"},
    },
    "segment": {"name": "Leads", "id": 1},
    "engagement": {"name": "Welcome", "id": 2},
    "now": datetime(2026, 5, 2, tzinfo=UTC),
}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        # Whole values keep their type.
        ("{{ profile.age }}", 42),
        ("{{ profile.balance }}", 10.5),
        ("{{ profile.is_member }}", True),
        ("{{ profile.tags }}", ["a", "b"]),
        ("{{ profile.address }}", {"city": "Pune", "size": "L"}),
        ("{{profile.address.city}}", "Pune"),
        ('{{ profile["first_name"] }}', "ana"),
        ("{{ profile.tags | first }}", "a"),
        ("{{ profile.age | plus: 1 }}", 43),
        # A time is ISO 8601 in UTC.
        ("{{ event.time }}", "2026-05-01T09:30:00Z"),
        ('{{ now | date: "%Y-%m-%d" }}', "2026-05-02"),
        # Inside text all are text.
        ("Hi {{ profile.first_name | capitalize }}, {{ profile.age }}", "Hi Ana, 42"),
        ("at {{ event.time }}", "at 2026-05-01T09:30:00Z"),
        ("{{ profile.is_member }}!", "true!"),
        # Constants are text; what they are is the parameter's business.
        ("42", "42"),
        ("", ""),
        # A default takes the place of what is missing.
        ('{{ profile.none | default: "there" }}', "there"),
        ('{{ profile.nickname | default: "there" | upcase }}', "THERE"),
        ("{{ event.properties.product }}", "gold"),
        ("{{ segment.name }}/{{ engagement.name }}", "Leads/Welcome"),
    ],
)
def test_a_value_is_worked_out(source, expected):
    assert compile_value(source).evaluate(CONTEXT) == expected


@pytest.mark.parametrize(
    "source",
    [
        "{{ profile.none }}",
        "{{ profile.nickname }}",  # null would mean "remove" to Braze
        "{{ profile.first_name.more }}",
        "{{ event.properties.none.deeper }}",
        "{{ profile.none | first }}",
        "Hi {{ profile.none }}",  # never "Hi "
    ],
)
def test_what_is_not_known_is_missing(source):
    assert compile_value(source).evaluate(CONTEXT) is MISSING


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{{ user.name }}", "There is no variable “user”."),
        ("{{ profil.name }}", "Did you mean “profile”?"),
        ("{{ event.product }}", "There is no variable “event.product”."),
        ("{{ profile }}", "name one"),
        ("{{ profile.name", "A {{ has no }} that closes it."),
        (
            "Hi {{Name of the User}}",
            "There is no variable “Name of the User”: with spaces it would be a parameter"
            " of an External API. Use profile, event, segment, engagement or now.",
        ),
        ("{{ profile.name | upcse }}", "Did you mean “upcase”?"),
        ("{{ | }}", "cannot be read"),
        ("x" * 65_537, "This is longer than 64 KB."),
        # As they are stored: three bytes each.
        ("न" * 21_846, "This is longer than 64 KB."),
    ],
)
def test_a_mistake_is_named(source, message):
    with pytest.raises(PersonalizationError) as error:
        compile_value(source)
    assert message in str(error.value)


@pytest.mark.parametrize("text", ["x" * 65_514, "न" * 21_838])
def test_a_text_as_long_as_a_payload_is_a_value(text):
    value = compile_value(text + "{{ profile.nickname }}")
    assert value.evaluate({"profile": {"nickname": "A"}}) == text + "A"


def test_an_expression_that_fails_for_one_person_says_which():
    value = compile_value("{{ profile.age | divided_by: profile.zero }}")
    with pytest.raises(PersonalizationError, match="divided_by"):
        value.evaluate({"profile": {"age": 4, "zero": 0}})


@pytest.mark.parametrize(
    "source",
    [
        "{{ profile.__class__ }}",
        "{{ profile.keys }}",
        "{{ profile.first_name.upper }}",
        "{{ event.time.year }}",
    ],
)
def test_attributes_of_python_objects_are_out_of_reach(source):
    assert compile_value(source).evaluate(CONTEXT) is MISSING


def test_text_that_grows_without_end_is_stopped():
    source = "{{ profile.text" + " | append: profile.text" * 1 + " }}"
    value = compile_value(source)
    with pytest.raises(PersonalizationError, match="longer than"):
        value.evaluate({"profile": {"text": "x" * 60_000}})


@pytest.mark.parametrize(
    "value", [None, False, True, "", " ", "x", 0, 0.0, 5, [], [0], {}, {"a": 1}]
)
def test_the_short_way_to_a_default_is_liquids_own(value):
    """The second expression ends in a filter that the short way does not know."""
    context = {"profile": {"x": value}}
    short = compile_value('{{ profile.x | default: "there" }}')
    liquid = compile_value('{{ profile.x | default: "there" | default: "never" }}')
    assert short.evaluate(context) == liquid.evaluate(context)
    assert type(short.evaluate(context)) is type(liquid.evaluate(context))


def test_the_variables_that_a_value_reads_are_known():
    value = compile_value("{{ profile.first_name }} {{ event.properties.product }}")
    assert value.variables == {
        ("profile", "first_name"),
        ("event", "properties", "product"),
    }
    assert not value.has_default
