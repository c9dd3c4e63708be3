"""Rules: what is refused and where, what they say, what they read."""

import pytest
from django.core.exceptions import ValidationError

from segments.rules import tree

CITY = {"attribute": "city", "is": "equals", "value": "Pune"}
LEAD = {"event": "Lead form submitted"}


WHERE = [{"property": "form", "is": "equals", "value": "x"}]


def did(wheres):
    return {**LEAD, "where": WHERE * wheres}


def gates(depth, rule):
    """A rule deep in groups: who did it is asked for the groups around it as well."""
    if depth == 0:
        return rule
    return {"any": [{"all": [gates(depth - 1, rule), did(2)]}, CITY]}


def nested(depth):
    return CITY if depth == 0 else {"not": nested(depth - 1)}


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({}, "Rule: add at least one condition."),
        ([], "Rule: add at least one condition."),
        (None, "Rule: add at least one condition."),
        ({"all": []}, "Rule, all: add at least one condition."),
        ({"any": {}}, "Rule, any: add at least one condition."),
        ({"all": [CITY, {}]}, "Condition 2: add at least one condition."),
        ({"all": [CITY], "any": [CITY]}, "Rule: use exactly one of all, any, not, attribute, event"),
        ({"city": "Pune"}, "Rule: use exactly one of all, any, not, attribute, event"),
        ({"not": {"any": []}}, "Rule, not, any: add at least one condition."),
        ({**CITY, "vlaue": 1}, "Rule: “vlaue” does not belong here."),
        ({"attribute": "", "is": "equals"}, "Rule: enter the name of an attribute of up to 255 characters."),
        ({"attribute": 5, "is": "equals"}, "Rule: enter the name of an attribute of up to 255 characters."),
        ({"attribute": "a\0", "is": "is_present"}, "Rule: enter the name of an attribute without characters that cannot be stored."),
        ({"all": [CITY, {**CITY, "is": "like"}]}, "Condition 2, attribute city: choose a comparison"),
        ({**CITY, "is": ["equals"]}, "Rule, attribute city: choose a comparison"),
        ({**CITY, "value": None}, "Rule, attribute city, “equals”: enter a text or a number."),
        ({**CITY, "value": ""}, "Rule, attribute city, “equals”: enter up to 1,000 characters."),
        ({**CITY, "value": "a\ud800"}, "Rule, attribute city, “equals”: the value has a character that cannot be stored."),
        ({**CITY, "value": float("inf")}, "enter a text or a number"),
        ({**CITY, "value": 10**40}, "enter a text or a number"),
        ({**CITY, "value": 10**400}, "enter a text or a number"),
        ({**CITY, "is": "in", "value": [1, -(10**400)]}, "enter a text or a number"),
        ({**CITY, "is": "between", "value": [1, 10**400]}, "enter a number or a date"),
        ({**CITY, "value": float("nan")}, "enter a text or a number"),
        ({**CITY, "is": "contains", "value": 5}, "“contains”: enter a text."),
        ({**CITY, "is": "greater", "value": "old"}, "“is greater than”: enter a number or a date such as 2026-01-31."),
        ({**CITY, "is": "greater", "value": "2026-02-31"}, "enter a number or a date"),
        ({**CITY, "is": "greater", "value": True}, "enter a number or a date"),
        ({**CITY, "is": "between", "value": [1]}, "enter two numbers or two dates."),
        ({**CITY, "is": "between", "value": [1, "2026-01-31"]}, "not one of each"),
        ({**CITY, "is": "in", "value": []}, "list between 1 and 1,000 values"),
        ({**CITY, "is": "in", "value": ["a", None]}, "enter a text or a number"),
        ({**CITY, "is": "is_present"}, "takes no value"),
        ({**CITY, "is": "in_last_days", "value": 0}, "whole number of days between 1 and 3,660"),
        ({**CITY, "is": "in_last_days", "value": True}, "whole number of days"),
        ({"event": " "}, "Rule: enter the name of an event"),
        ({**LEAD, "at_least": 0}, "Rule, event Lead form submitted: “at least” is between 1 and 1,000,000."),
        ({**LEAD, "at_least": "2"}, "“at least” is a whole number of times."),
        ({**LEAD, "within_days": 0}, "within days: enter a whole number of days between 1 and 3,660, or leave it empty."),
        ({**LEAD, "where": CITY}, "“where” is a list of property conditions."),
        ({**LEAD, "where": [CITY]}, "where 1: “attribute” does not belong here."),
        ({**LEAD, "where": [{"is": "equals"}]}, "where 1: enter the name of a property"),
        ({**LEAD, "where": [{"property": "form", "is": "equals"}]}, "where 1, property form, “equals”: enter a text or a number."),
        ({"all": [CITY] * 101}, "Rule: use at most 100 conditions."),
        ({"all": [did(15)] * 100}, "Rule: it compares too much, 3,200 times where 400 is the most."),
        ({"any": [did(2)] * 100}, "it compares too much, 600 times"),
        ({"all": [did(100)] * 2}, "it compares too much, 404 times"),
        ({"any": [{**CITY, "is": "in", "value": ["x"] * 1_000}] * 20}, "it compares too much, 420 times"),
        (gates(3, {"any": [did(1)] * 30}), "it compares too much"),
        (nested(8), "nest groups at most 8 deep."),
    ],
)  # fmt: skip
def test_a_wrong_rule_is_refused_with_its_place(rule, message):
    with pytest.raises(ValidationError) as e:
        tree.validate(rule)
    assert message in e.value.messages[0]


@pytest.mark.parametrize(
    "rule",
    [
        {"all": [LEAD] * 100},
        {"all": [did(1)] * 100},
        {"any": [CITY] * 100},
        did(100),
        {**CITY, "is": "in", "value": ["x"] * 1_000},
        gates(2, {"any": [did(1)] * 5}),
    ],
)
def test_a_large_rule_that_can_be_asked_is_fine(rule):
    tree.validate(rule)


def test_as_many_levels_as_allowed_are_fine():
    tree.validate(nested(7))


@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        (CITY, "city equals Pune"),
        ({"attribute": "first_name", "is": "is_missing"}, "first name is missing"),
        ({**CITY, "is": "in", "value": ["Pune", 5]}, "city is one of Pune, 5"),
        ({**CITY, "is": "between", "value": [1, 5]}, "city is between 1 and 5"),
        ({**CITY, "is": "equals", "value": True}, "city equals true"),
        ({"attribute": "joined", "is": "in_last_days", "value": 1}, "joined is in the last 1 day"),
        (LEAD, "did “Lead form submitted” at least 1 time"),
        (
            {"all": [{**LEAD, "within_days": 30}, CITY]},
            "did “Lead form submitted” at least 1 time in the last 30 days and city equals Pune",
        ),
        (
            {**LEAD, "at_least": 3, "where": [{"property": "form", "is": "equals", "value": "x"}]},
            "did “Lead form submitted” where form equals x at least 3 times",
        ),
        (
            {"all": [CITY, {"any": [CITY, {"not": {"all": [CITY, LEAD]}}]}]},
            "city equals Pune and (city equals Pune or not (city equals Pune and did “Lead form submitted” at least 1 time))",
        ),
        ({"all": [{"any": [CITY]}]}, "city equals Pune"),
    ],
)  # fmt: skip
def test_a_rule_says_what_it_means(rule, sentence):
    tree.validate(rule)
    assert tree.describe(rule) == sentence


def test_the_events_that_a_rule_reads_are_named_once_each():
    rule = {
        "all": [
            {"event": "B"},
            {"not": {"any": [{"event": "A"}, CITY, {"event": "B"}]}},
        ]
    }
    assert tree.event_names(rule) == ["A", "B"]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (CITY, False),
        (LEAD, False),
        ({"not": {"any": [CITY, {**LEAD, "within_days": 5}]}}, True),
        ({**CITY, "is": "in_last_days", "value": 5}, True),
        (
            {**LEAD, "where": [{"property": "p", "is": "in_last_days", "value": 5}]},
            True,
        ),
    ],
)
def test_a_rule_knows_whether_time_alone_changes_it(rule, expected):
    assert tree.reads_the_clock(rule) is expected
