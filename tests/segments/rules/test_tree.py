"""Rules: what is refused and where, what they say, what they read."""

import pytest
from django.core.exceptions import ValidationError

from segments.dictionary import catalog
from segments.rules import operators, tree

CITY = {"attribute": "city", "is": "equals", "value": "Pune"}
LEAD = {"event": "Lead form submitted"}


SUM = {"of": "amount", "by": "sum", "is": "greater", "value": 500}
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
        ({"attribute": "", "is": "equals"}, "Rule: enter the name of an attribute."),
        ({"attribute": 5, "is": "equals"}, "Rule: enter the name of an attribute."),
        ({"attribute": "a" * 256, "is": "equals"}, "Rule: enter the name of an attribute of up to 255 characters."),
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
        ({**CITY, "is": "in", "value": []}, "list between 1 and 50,000 values"),
        ({**CITY, "is": "in", "value": ["a", None]}, "“is one of”: value 2: enter a text or a number."),
        ({**CITY, "is": "not_in", "value": ["x"] * 50_001}, "“is none of”: list between 1 and 50,000 values."),
        ({**CITY, "is": "in", "value": ["x" * 1_000] * 2_001}, "list values of 2,000,000 characters at most, all together."),
        ({**CITY, "is": "has_all", "value": []}, "“has all of”: list between 1"),
        ({**CITY, "fold": 1}, "“equals”: “fold” is true or false."),
        ({**CITY, "fold": True, "value": "\u0301"}, "“equals”: without accents nothing is left of a value."),
        ({**CITY, "zone": "UTC"}, "“equals”: it has no option “zone”; leave it out."),
        ({**CITY, "is": "greater", "value": 5, "fold": True}, "“is greater than”: it has no option “fold”"),
        ({**CITY, "is": "contains", "numbers_in_text": True}, "it has no option “numbers_in_text”"),
        ({**CITY, "is": "date_is", "value": "2026-01-31T10:00:00Z"}, "“is on”: enter a day such as 2026-01-31."),
        ({**CITY, "is": "date_is", "value": "2026-01-31", "zone": "Mars/Base"}, "“is on”: choose a time zone such as Asia/Kolkata or UTC."),
        ({**CITY, "is": "date_is", "value": "2026-01-31", "zone": "asia/kolkata"}, "choose a time zone"),
        ({**CITY, "is": "date_is", "value": "2026-01-31", "zone": "localtime"}, "choose a time zone"),
        ({**CITY, "is": "date_is", "value": "2026-01-31", "zone": None}, "choose a time zone"),
        ({**CITY, "is": "date_between", "value": ["2026-01-31", "2026-01-01"]}, "write the earlier day first."),
        ({**CITY, "is": "date_between", "value": "2026-01-31"}, "enter the first and the last day, such as 2026-01-31."),
        ({**CITY, "is": "in_next_days", "value": 3_661}, "whole number of days between 1 and 3,660"),
        ({**CITY, "is": "in_next_days", "value": 3, "zone": "UTC"}, "a zone is only for calendar days; add “calendar”, or leave it out."),
        ({**CITY, "is": "in_last_days", "value": 3, "calendar": False, "zone": "UTC"}, "a zone is only for calendar days"),
        ({**CITY, "is": "anniversary_in", "value": 367}, "“has its anniversary in”: enter a whole number of days between 0 (today) and 366."),
        ({**CITY, "is": "weekday_in", "value": ["monday"]}, "“is on a”: list one or more of mon, tue, wed, thu, fri, sat, sun."),
        ({**CITY, "is": "weekday_in", "value": ["mon", "mon"]}, "name each day once."),
        ({**CITY, "is": "weekday_in", "value": [["mon"]]}, "list one or more of"),
        ({**CITY, "is": "size_is", "value": -1}, "“has exactly”: enter a whole number between 0 and 1,000,000."),
        ({**CITY, "is": "matches", "value": "(a"}, "“matches the pattern”: a “(” has no “)”; write \\( for the character."),
        ({"items": "any"}, "Rule: enter the name of an attribute."),
        ({"attribute": "policies", "items": "some"}, "Rule, items of policies: choose one of any, all, none, exactly, at_least, at_most."),
        ({"attribute": "policies", "items": ["any"]}, "Rule, items of policies: choose one of"),
        ({"attribute": "policies", "items": "exactly"}, "Rule, items of policies: “count” is a whole number between 0 and 10,000."),
        ({"attribute": "policies", "items": "at_least", "count": 0}, "“count” is a whole number between 1 and 10,000."),
        ({"attribute": "policies", "items": "any", "count": 1}, "“any” has no count; leave it out."),
        ({"attribute": "policies", "items": "any", "is": "equals"}, "Rule: “is” does not belong here."),
        ({"attribute": "policies", "items": "any", "where": {}}, "items of policies: “where” is a list of property conditions."),
        (
            {"any": [{"attribute": "policies", "items": "none", "where": [{"property": "at", "is": "date_is", "value": 5}]}]},
            "Condition 1, items of policies, where 1, property at, “is on”: enter a day such as 2026-01-31.",
        ),
        ({"attribute": "a", "items": "any", "event": "b"}, "Rule: use exactly one of"),
        ({**CITY, "is": "is_present"}, "takes no value"),
        ({**CITY, "is": "in_last_days", "value": 0}, "whole number of days between 1 and 3,660"),
        ({**CITY, "is": "in_last_days", "value": True}, "whole number of days"),
        ({"event": " "}, "Rule: enter the name of an event"),
        ({**LEAD, "at_least": 0}, "Rule, event Lead form submitted: “at least” is between 1 and 1,000,000."),
        ({**LEAD, "at_least": "2"}, "“at least” is a whole number of times."),
        ({**LEAD, "within_days": 0}, "within days: enter a whole number of days between 1 and 3,660, or leave it empty."),
        ({**LEAD, "at_most": -1}, "event Lead form submitted: “at most” is between 0 and 1,000,000."),
        ({**LEAD, "exactly": 2.5}, "“exactly” is a whole number of times."),
        ({**LEAD, "at_least": 1, "at_most": 2}, "use either at least or at most."),
        ({**LEAD, "at_least": 1, "pick": "first"}, "use either at least or pick."),
        ({**LEAD, "pick": "newest"}, "“pick” is first or last."),
        ({**LEAD, "within_hours": 0}, "within hours: enter a whole number of hours between 1 and 87,840."),
        ({**LEAD, "before_days": 3_661}, "before days: enter a whole number of days between 1 and 3,660."),
        ({**LEAD, "between_days": [3, 1]}, "between days: enter two numbers of days up to 3,660, the smaller one first."),
        ({**LEAD, "within_days": 3, "from": "2026-01-01"}, "use either within days or from and until."),
        ({**LEAD, "within_days": 3, "within_hours": 3}, "use either within days or within hours."),
        ({**LEAD, "from": "01.01.2026"}, "from: enter a date such as 2026-01-31."),
        ({**LEAD, "from": "2026-01-02", "until": "2026-01-01"}, "“until” is before “from”."),
        ({**LEAD, "until": "2026-01-01", "zone": "Mars/Base"}, "zone: choose a time zone such as Asia/Kolkata or UTC."),
        ({**LEAD, "within_days": 3, "zone": "UTC"}, "“zone” belongs to from and until, or to “calendar”."),
        ({**LEAD, "within_days": 3, "calendar": False, "zone": "UTC"}, "“zone” belongs to from and until, or to “calendar”."),
        ({**LEAD, "within_hours": 3, "calendar": True}, "“calendar” belongs to within days or between days."),
        ({**LEAD, "within_days": 3, "calendar": 1}, "calendar: is true or false."),
        ({**LEAD, "aggregate": 5}, "event Lead form submitted, aggregate: enter of, by, is and value."),
        ({**LEAD, "aggregate": {**SUM, "of": ""}}, "aggregate, of: enter the name of a property."),
        ({**LEAD, "aggregate": {**SUM, "by": "median"}}, "aggregate, by: choose one of sum, average, smallest, largest, distinct."),
        ({**LEAD, "aggregate": {**SUM, "is": "in"}}, "aggregate: choose a comparison, one of greater, less, equals, between."),
        ({**LEAD, "aggregate": {**SUM, "value": "5"}}, "aggregate: enter a number."),
        ({**LEAD, "aggregate": {**SUM, "is": "between", "value": [1]}}, "aggregate: enter two numbers."),
        ({**LEAD, "aggregate": {**SUM, "is": "between", "value": [2, 1]}}, "aggregate: write the smaller one first."),
        ({"sequence": [LEAD]}, "Rule, sequence: list between 2 and 5 events."),
        ({"sequence": [LEAD, 5]}, "Rule, sequence 2: enter an event."),
        ({"sequence": [LEAD, {**LEAD, "at_least": 2}]}, "Rule, sequence 2: “at_least” does not belong here."),
        ({"all": [CITY, {"sequence": [LEAD, {"event": ""}]}]}, "Condition 2, sequence 2: enter the name of an event"),
        ({"sequence": [LEAD, LEAD], "without": {**LEAD, "where": [5]}}, "Rule, without, event Lead form submitted, where 1: enter a property condition."),
        ({"sequence": [LEAD, LEAD], "within_hours": 0}, "Rule, within hours: enter a whole number of hours"),
        ({"sequence": [LEAD, LEAD], "before_days": 5}, "Rule: “before_days” does not belong here."),
        ({"all": [{"sequence": [LEAD] * 5}] * 30}, "it compares too much"),
        ({"all": [{**LEAD, "aggregate": SUM}] * 50}, "it compares too much"),
        ({**LEAD, "where": CITY}, "“where” is a list of property conditions."),
        ({**LEAD, "where": [CITY]}, "where 1: “attribute” does not belong here."),
        ({**LEAD, "where": [{"is": "equals"}]}, "where 1: enter the name of a property"),
        ({**LEAD, "where": [{"property": "form", "is": "equals"}]}, "where 1, property form, “equals”: enter a text or a number."),
        ({"all": [CITY] * 101}, "Rule: use at most 100 conditions."),
        ({"all": [did(15)] * 100}, "Rule: it compares too much, 3,200 times where 400 is the most."),
        ({"any": [did(2)] * 100}, "it compares too much, 600 times"),
        ({"all": [did(100)] * 2}, "it compares too much, 404 times"),
        ({"any": [{**CITY, "is": "in", "value": ["x"] * 50_000}] * 8}, "it compares too much, 408 times"),
        ({"any": [{**CITY, "is": "has_all", "value": ["x"] * 1_000}] * 20}, "it compares too much, 420 times"),
        ({"all": [{"attribute": "a", "items": "any", "where": WHERE * 100}] * 4}, "it compares too much, 404 times"),
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
        {**CITY, "is": "in", "value": ["x"] * 50_000},
        {**CITY, "is": "not_in", "value": list(range(50_000))},
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
        ({**CITY, "fold": True}, "city equals Pune (case and accents alike)"),
        ({**CITY, "is": "in", "value": list(range(1_000))}, "city is one of 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19 and 980 more"),
        ({**CITY, "is": "not_in", "value": ["Goa"]}, "city is none of Goa"),
        ({**CITY, "is": "not_contains"}, "city does not contain Pune"),
        ({**CITY, "is": "matches", "value": "^P"}, "city matches the pattern ^P"),
        ({"attribute": "age", "is": "greater", "value": 9, "numbers_in_text": True}, "age is greater than 9 (numbers in texts too)"),
        ({"attribute": "joined", "is": "date_is", "value": "2026-01-31"}, "joined is on 2026-01-31"),
        ({"attribute": "joined", "is": "date_between", "value": ["2026-01-01", "2026-01-31"], "zone": "Asia/Kolkata"}, "joined is in the days from 2026-01-01 to 2026-01-31 (in Asia/Kolkata)"),
        ({"attribute": "lapses_on", "is": "in_next_days", "value": 30, "calendar": True, "zone": "UTC"}, "lapses on is in the next 30 days (calendar days, in UTC)"),
        ({"attribute": "born", "is": "anniversary_in", "value": 0}, "born has its anniversary today"),
        ({"attribute": "born", "is": "anniversary_in", "value": 1}, "born has its anniversary in 1 day"),
        ({"attribute": "born", "is": "anniversary_within", "value": 0}, "born has its anniversary today"),
        ({"attribute": "born", "is": "anniversary_within", "value": 7}, "born has its anniversary within 7 days"),
        ({"attribute": "joined", "is": "weekday_in", "value": ["sat", "sun"]}, "joined is on a Saturday or Sunday"),
        ({"attribute": "tags", "is": "has_any", "value": ["a", 5]}, "tags has any of a, 5"),
        ({"attribute": "tags", "is": "size_at_least", "value": 1}, "tags has at least 1 value"),
        ({"attribute": "tags", "is": "size_is", "value": 2}, "tags has exactly 2 values"),
        ({"attribute": "policies", "items": "any"}, "policies has an item"),
        ({"attribute": "policies", "items": "at_least", "count": 1, "where": WHERE}, "policies has at least 1 item where form equals x"),
        ({"attribute": "policies", "items": "all", "where": WHERE * 2}, "policies has only items where form equals x and form equals x"),
        ({"attribute": "policies", "items": "exactly", "count": 2}, "policies has exactly 2 items"),
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
        ({"not": LEAD}, "did not do “Lead form submitted”"),
        ({"not": {"all": [{**LEAD, "within_days": 7, "where": WHERE}]}}, "did not do “Lead form submitted” where form equals x in the last 7 days"),
        ({"not": {"event": "A", "at_most": 0}}, "did “A” at least 1 time"),
        ({"not": {"event": "A", "at_least": 3}}, "did “A” at most 2 times"),
        ({"not": {"event": "A", "at_most": 3}}, "did “A” at least 4 times"),
        ({"not": {"event": "A", "exactly": 3}}, "not (did “A” exactly 3 times)"),
        ({"not": {"event": "A", "pick": "first", "within_days": 7}}, "not (did “A” for the first time in the last 7 days)"),
        ({"not": CITY}, "city does not equal Pune"),
        ({"not": {**CITY, "is": "not_in", "value": [1]}}, "city is one of 1"),
        ({"not": {**CITY, "is": "greater", "value": 1}}, "not (city is greater than 1)"),
        ({"not": {"attribute": "city", "is": "is_missing"}}, "city is present"),
        ({"not": {"not": CITY}}, "not (city does not equal Pune)"),
        ({"not": {"all": [CITY, LEAD]}}, "not (city equals Pune and did “Lead form submitted” at least 1 time)"),
        ({"not": {"everybody": True}}, "nobody"),
        ({"all": [{"any": [CITY, CITY]}]}, "city equals Pune or city equals Pune"),
        ({"any": [CITY, {"any": [{"all": [CITY, CITY]}]}]}, "city equals Pune or (city equals Pune and city equals Pune)"),
        ({"event": "A", "at_most": 0, "within_hours": 1}, "did not do “A” in the last 1 hour"),
        ({"event": "A", "at_most": 3}, "did “A” at most 3 times"),
        ({"event": "A", "exactly": 1, "before_days": 7}, "did “A” exactly 1 time longer than 7 days ago"),
        ({"event": "A", "between_days": [1, 7]}, "did “A” at least 1 time between 1 and 7 days ago"),
        (
            {"event": "A", "within_days": 3, "calendar": True, "zone": "Asia/Kolkata"},
            "did “A” at least 1 time in the last 3 calendar days (Asia/Kolkata)",
        ),
        ({"event": "A", "from": "2026-01-01", "until": "2026-01-31"}, "did “A” at least 1 time from 2026-01-01 until 2026-01-31"),
        (
            {"event": "A", "pick": "first", "within_days": 7, "where": WHERE},
            "did “A” for the first time in the last 7 days where form equals x",
        ),
        (
            {"event": "A", "aggregate": SUM, "within_days": 7, "where": WHERE},
            "the sum of “amount” over “A” where form equals x in the last 7 days is greater than 500",
        ),
        (
            {"event": "A", "aggregate": {"of": "x", "by": "distinct", "is": "between", "value": [1, 2]}},
            "the number of different values of “x” over “A” is between 1 and 2",
        ),
        (
            {"sequence": [{"event": "A", "where": WHERE}, {"event": "B"}], "within_hours": 24, "without": {"event": "C"}, "within_days": 7},
            "did “A” where form equals x, then “B” within 24 hours and not “C” in between in the last 7 days",
        ),
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
            {"sequence": [{"event": "B"}, {"event": "D"}], "without": {"event": "C"}},
        ]
    }
    assert tree.event_names(rule) == ["A", "B", "C", "D"]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (CITY, False),
        (LEAD, False),
        ({"not": {"any": [CITY, {**LEAD, "within_days": 5}]}}, True),
        ({**CITY, "is": "in_last_days", "value": 5}, True),
        ({**LEAD, "before_days": 5}, True),
        ({**LEAD, "from": "2026-01-01", "until": "2099-01-01"}, False),
        ({**LEAD, "pick": "last", "within_hours": 5}, True),
        ({"sequence": [LEAD, LEAD], "within_hours": 5}, False),
        ({"sequence": [LEAD, LEAD], "within_days": 5}, True),
        ({**CITY, "is": "in_next_days", "value": 5, "calendar": True}, True),
        ({**CITY, "is": "anniversary_in", "value": 5}, True),
        ({**CITY, "is": "anniversary_within", "value": 5}, True),
        ({**CITY, "is": "weekday_in", "value": ["mon"]}, False),
        ({**CITY, "is": "date_before", "value": "2026-01-31"}, False),
        (
            {
                "attribute": "a",
                "items": "any",
                "where": [{"property": "p", "is": "anniversary_in", "value": 5}],
            },
            True,
        ),
        (
            {**LEAD, "where": [{"property": "p", "is": "in_last_days", "value": 5}]},
            True,
        ),
    ],
)
def test_a_rule_knows_whether_time_alone_changes_it(rule, expected):
    assert tree.reads_the_clock(rule) is expected


LAPSES = {"is": "in_next_days", "value": 30, "calendar": True}


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (CITY, set()),
        ({"attribute": "a", **LAPSES}, {"UTC"}),
        ({"attribute": "a", "is": "in_last_days", "value": 5}, set()),
        ({"attribute": "a", "is": "anniversary_in", "value": 5}, {"UTC"}),
        (
            {"all": [
                {"attribute": "a", **LAPSES, "zone": "Asia/Kolkata"},
                {"not": {"attribute": "b", "items": "any", "where": [{"property": "p", **LAPSES}]}},
                {**LEAD, "within_days": 5},
            ]},
            {"Asia/Kolkata", "UTC"},
        ),
        # One that changes at any moment is looked at every now and then.
        ({"any": [{"attribute": "a", **LAPSES}, {"attribute": "b", "is": "in_next_days", "value": 5}]}, set()),
        ({**LEAD, "where": [{"property": "p", **LAPSES}, {"property": "q", "is": "in_last_days", "value": 1}]}, set()),
        ({**LEAD, "where": [{"property": "p", **LAPSES}, *WHERE]}, {"UTC"}),
    ],
)  # fmt: skip
def test_a_rule_knows_with_whose_days_alone_it_changes(rule, expected):
    tree.validate(rule)
    assert tree.midnights(rule) == expected


def test_the_names_that_a_rule_reads_are_those_of_the_dictionary():
    rule = {
        "all": [
            {**CITY, "attribute": "a"},
            {"event": "B", "aggregate": {**SUM, "of": "c"}, "where": WHERE},
            {"sequence": [LEAD, {"event": "D", "where": WHERE}], "without": LEAD},
        ]
    }
    tree.validate(rule)
    assert set(catalog.read_by(rule)) == {
        ("attribute", "", "a"),
        ("event", "", "B"),
        ("property", "B", "c"),
        ("property", "B", "form"),
        ("event", "", LEAD["event"]),
        ("event", "", "D"),
        ("property", "D", "form"),
    }


def test_what_is_called_an_opposite_is_one():
    """The sentence of a “not” says the other: both ask the same, one of them turned."""
    for one, other in operators.OPPOSITES.items():
        plain, turned = operators.OPERATORS[one], operators.OPERATORS[other]
        assert (plain.is_opposite, turned.is_opposite) == (False, True)
        assert (plain.sql, plain.takes, plain.options) == (
            turned.sql,
            turned.takes,
            turned.options,
        )
    named = {name for pair in operators.OPPOSITES.items() for name in pair}
    turned = {name for name, one in operators.OPERATORS.items() if one.is_opposite}
    assert turned <= named
