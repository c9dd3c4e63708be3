"""Two rules beside each other: what was added, removed and changed."""

import pytest

from segments.life import differences

PUNE = {"attribute": "city", "is": "equals", "value": "Pune"}
DELHI = {"attribute": "city", "is": "equals", "value": "Delhi"}
ADULT = {"attribute": "age", "is": "greater", "value": 17}
LEAD = {"event": "Lead", "at_least": 1}
LEADS = {"event": "Lead", "at_least": 2}
SALE = {"event": "Sale", "at_least": 1}


def said(before, after):
    """(depth, mark, words before, words) of each line."""
    return [
        (line.depth, line.mark, line.before, line.words)
        for line in differences.lines(before, after)
    ]


def test_a_condition_that_was_changed_stands_beside_what_it_was():
    assert said(PUNE, DELHI) == [
        (0, "changed", "City equals Pune", "City equals Delhi")
    ]


def test_conditions_are_told_apart_by_what_they_are_about():
    before = {"all": [PUNE, LEAD, ADULT]}
    after = {"all": [LEADS, SALE, PUNE]}
    assert said(before, after) == [
        (0, "same", "", "All of these"),
        (1, "removed", "", "Age is greater than 17"),
        (
            1,
            "changed",
            "Did “Lead” at least 1 time",
            "Did “Lead” at least 2 times",
        ),
        (1, "added", "", "Did “Sale” at least 1 time"),
        (1, "same", "", "City equals Pune"),
    ]
    assert differences.summary(before, after) == "1 added, 1 removed, 1 changed"


def test_one_condition_that_becomes_a_group_is_still_there():
    assert said(PUNE, {"any": [PUNE, LEAD]}) == [
        (0, "same", "", "At least one of these"),
        (1, "same", "", "City equals Pune"),
        (1, "added", "", "Did “Lead” at least 1 time"),
    ]


def test_a_group_s_word_is_a_change_and_groups_in_groups_are_gone_through():
    before = {"all": [PUNE, {"not": {"any": [LEAD, SALE]}}]}
    after = {"any": [PUNE, {"not": {"any": [LEAD, ADULT]}}]}
    assert said(before, after) == [
        (0, "changed", "All of these", "At least one of these"),
        (1, "same", "", "City equals Pune"),
        (1, "same", "", "Not"),
        (2, "same", "", "At least one of these"),
        (3, "removed", "", "Did “Sale” at least 1 time"),
        (3, "same", "", "Did “Lead” at least 1 time"),
        (3, "added", "", "Age is greater than 17"),
    ]


def test_a_condition_that_is_not_to_hold_is_one_sentence():
    before = {"all": [{"not": LEAD}, {"not": PUNE}]}
    after = {"all": [{"not": {**LEAD, "within_days": 7}}, PUNE, {"not": SALE}]}
    assert said(before, after) == [
        (0, "same", "", "All of these"),
        (
            1,
            "changed",
            "Did not do “Lead”",
            "Did not do “Lead” in the last 7 days",
        ),
        (1, "changed", "City does not equal Pune", "City equals Pune"),
        (1, "added", "", "Did not do “Sale”"),
    ]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"all": [PUNE, LEAD]}, {"all": [LEAD, PUNE]}),
        (
            {"attribute": "n", "is": "greater", "value": 0.1 + 0.2},
            {"attribute": "n", "is": "greater", "value": 0.3},
        ),
        (
            {"attribute": "city", "is": "in", "value": ["a", "b"]},
            {"attribute": "city", "is": "in", "value": ["b", "a"]},
        ),
        (LEAD, {**LEAD, "within_days": None}),
    ],
    ids=["order of conditions", "noise of floats", "order of values", "null"],
)
def test_what_means_the_same_is_no_difference(before, after):
    assert {line.mark for line in differences.lines(before, after)} == {"same"}
    assert differences.summary(before, after) == ""


def test_the_order_of_a_sequence_is_one():
    assert differences._key({"sequence": [LEAD, SALE]}) != differences._key(
        {"sequence": [SALE, LEAD]}
    )


def test_ends_of_a_range_that_are_exchanged_are_one():
    ends = {"attribute": "n", "is": "between"}
    before, after = {**ends, "value": [1, 5]}, {**ends, "value": [5, 1]}
    assert differences.summary(before, after) == "1 changed"


def test_a_rule_that_is_wrong_is_shown_all_the_same():
    assert said({"broken": 1}, PUNE)[0][1:3] == ("changed", '{"broken": 1}')
    assert said({"broken": 1}, {"broken": 1}) == [(0, "same", "", '{"broken": 1}')]
