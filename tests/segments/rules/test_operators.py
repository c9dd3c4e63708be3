"""What each comparison of a rule is true of, in a real query."""

from datetime import timedelta

import pytest
from django.utils import timezone

from segments.contact import as_email
from segments.models import Profile
from segments.rules import tree
from segments.rules.operators import OPERATORS
from tests.factories import make_profile

pytestmark = pytest.mark.django_db

ABSENT = object()

# Comparison, value of the rule, attributes that fit, attributes that do not.
TABLE = [
    ("equals", "Pune", ["Pune"], ["pune", "Pune ", "", ABSENT, None, 5, ["Pune"]]),
    ("equals", 5, [5, 5.0, "5"], [50, "5.0", "05", True, ABSENT]),
    ("equals", "5", [5, 5.0, "5"], [6, "five", ABSENT]),
    ("equals", 5.5, [5.5, "5.5"], [5, 55]),
    ("equals", "007", ["007"], [7, "7"]),
    ("equals", True, [True, "true"], [1, False, "True"]),
    ("equals", "true", [True, "true"], [1, False]),
    ("equals", 1e22, [1e22, 10000000000000000000000], [1e21]),
    ("equals", '"; DROP TABLE --', ['"; DROP TABLE --'], ["DROP"]),
    ("equals", "100%", ["100%"], ["100"]),
    ("equals", "日本 😀", ["日本 😀"], ["日本"]),
    ("not_equals", "Pune", ["pune", "", ABSENT, None, 5, ["Pune"]], ["Pune"]),
    (
        "contains",
        "un",
        ["Pune", "un", ["un", 5]],
        ["PUNE", 5, {"un": 1}, ["Pune"], ABSENT],
    ),
    ("contains", "5", [[5], [5.0], ["5"], "15"], [[55], [[5]], {"5": 5}, 5, ["15"]]),
    ("contains", "%", ["5% off"], ["5 off"]),
    ("contains", "_", ["a_b"], ["ab"]),
    ("starts_with", "Pu", ["Pune", "Pu"], ["pune", "aPu", ["Pu"], 5, ABSENT]),
    ("ends_with", "ne", ["Pune", "ne"], ["PuNE", "nep", ["ne"], 5, ABSENT]),
    ("greater", 30, [31, 30.01, 1e300], [30, -31, "31", True, [31], ABSENT, None]),
    ("less", 30, [29.99, -1], [30, "29", False, {}, ABSENT]),
    ("between", [18, 30], [18, 30, 25.5], [17.9, 31, "20", ABSENT]),
    (
        "greater",
        "2026-01-31",
        ["2026-02-01", "2026-01-31T00:00:01Z", "2026-01-30T23:30:00-05:00"],
        ["2026-01-31", "2026-02-31", "tomorrow", "infinity", "2026", 5, ABSENT],
    ),
    (
        "less",
        "2026-01-31T12:00:00+05:30",
        ["2026-01-31T06:29:59Z"],
        ["2026-01-31T06:30:00Z"],
    ),
    ("between", ["2026-01-01", "2026-01-31"], ["2026-01-15"], ["2026-02-15", 20260115]),
    ("in", ["Pune", 5], ["Pune", 5, "5"], ["Delhi", 6, ["Pune"], ABSENT]),
    ("is_present", None, ["x", 0, False, [], {}], ["", None, ABSENT]),
    ("is_missing", None, ["", None, ABSENT], ["x", 0, False, [], {}]),
    ("in_last_days", 3660, [], ["1999-01-01", "2999-01-01", "soon", 5, ABSENT]),
    ("in_next_days", 3660, [], ["1999-01-01", "2999-01-01", "soon", 5, ABSENT]),
    ("not_in", ["Pune", 5], ["Delhi", 6, ["Pune"], "", ABSENT], ["Pune", 5, "5"]),
    ("not_contains", "un", ["PUNE", 5, ["Pune"], ABSENT], ["Pune", ["un", 5]]),
    ("matches", "^[a-c]+$", ["abc", "a"], ["abd", "A", "", 5, ["a"], ABSENT, "a\n"]),
    ("matches", r"100%|\$a|\{x\}", ["100%", "$a", "{x}"], ["100", "a", "x"]),
    (
        "has_any",
        ["a", 5],
        [["a"], ["5"], [5.0, "b"]],
        [[], "a", ["b"], {"a": 1}, ABSENT],
    ),
    ("has_all", ["a", 5], [["a", "5", "b"], [5, "a"]], [["a"], [5], [], "a", ABSENT]),
    ("has_none", ["a", 5], [["b"], [], "a", ABSENT, None], [["a"], ["5", "b"]]),
    ("size_is", 1, [["a"], [None]], [[], ["a", "b"], "a", {"a": 1}, 1, ABSENT]),
    ("size_at_least", 1, [["a"], [1, 2]], [[], "a", ABSENT]),
    ("size_at_most", 1, [[], ["a"]], [[1, 2], "a", "", ABSENT]),
    ("date_is", "2026-01-31", ["2026-01-31", "2026-01-31T23:59:59Z"], ["2026-02-01"]),
    ("date_before", "2026-01-31", ["2026-01-30T23:59:59Z"], ["2026-01-31", 5, ABSENT]),
    ("date_after", "2026-01-31", ["2026-02-01"], ["2026-01-31T23:59:59Z", 5, ABSENT]),
    (
        "date_between",
        ["2026-01-01", "2026-01-31"],
        ["2026-01-31T23:00:00Z"],
        ["2026-02-01"],
    ),
    ("weekday_in", ["sat", "sun"], ["2026-01-31"], ["2026-01-30", "sat", 6, ABSENT]),
    ("anniversary_in", 0, [], ["2999-01-01", "soon", 5, ABSENT]),
    ("anniversary_within", 366, ["2001-01-01"], ["2999-01-01", "soon", 5, ABSENT]),
]


def matches(operator: str, value: object, attribute: object) -> bool:
    """Whether the rule takes in a person with this attribute."""
    attributes = {} if attribute is ABSENT else {"x": attribute}
    profile = make_profile(**attributes)
    rule = {"attribute": "x", "is": operator, "value": value}
    everybody = set(tree.people(rule).values_list("pk", flat=True))
    alone = tree.people(rule, [profile.pk]).exists()
    assert alone is (profile.pk in everybody)
    return alone


@pytest.mark.parametrize(("operator", "value", "fitting", "other"), TABLE)
def test_a_comparison_is_true_of_just_what_it_says(operator, value, fitting, other):
    wrongly_out = [a for a in fitting if not matches(operator, value, a)]
    wrongly_in = [a for a in other if matches(operator, value, a)]
    assert (wrongly_out, wrongly_in) == ([], [])


def test_every_comparison_has_a_row_above():
    assert {row[0] for row in TABLE} == set(OPERATORS)


@pytest.mark.parametrize(
    ("operator", "sign"), [("in_last_days", -1), ("in_next_days", 1)]
)
def test_the_last_and_the_next_days_move_with_the_clock(operator, sign):
    now = timezone.now()
    for days, expected in ((1, True), (6.9, True), (7.1, False), (-1, False)):
        attribute = (now + sign * timedelta(days=days)).isoformat()
        assert matches(operator, 7, attribute) is expected


@pytest.mark.parametrize(
    ("attribute", "operator", "value", "expected"),
    [
        ("email", "equals", "Ann@Example.com", True),
        ("email", "ends_with", "@EXAMPLE.com", True),
        ("email", "in", ["ANN@example.com"], True),
        ("email", "not_in", ["ANN@example.com"], False),
        ("email", "not_contains", "ANN", False),
        ("email", "matches", r"^[A-Z]+\D", True),
        ("email", "matches", r"^\d", False),
        ("email", "has_none", ["x"], True),
        ("external_id", "matches", r"^\d+$", True),
        ("email", "is_present", None, True),
        ("phone", "is_missing", None, True),
        ("phone", "not_equals", "+4912345", True),
        ("phone", "starts_with", "+49", False),
        ("external_id", "equals", "42", True),
        ("external_id", "in", [42], True),
        ("external_id", "greater", 41, False),
    ],
)
def test_columns_are_attributes_too(attribute, operator, value, expected):
    make_profile(external_id="42", email="ann@example.com")
    rule = {"attribute": attribute, "is": operator, "value": value}
    assert tree.people(rule).exists() is expected


@pytest.mark.parametrize(
    ("attribute", "operator", "value", "expected"),
    [
        ("phone", "equals", "+44 7700 900123", True),
        ("phone", "not_equals", "+44 (0)7700 900123", False),
        ("phone", "in", ["+1 415 555 2671", "447700900123"], True),
        ("phone", "in", [447700900123], True),
        ("phone", "not_in", ["+44 7700 900123"], False),
        ("phone", "equals", "+44 7700 900124", False),
        ("phone", "equals", "07700 900123", False),
        ("phone", "starts_with", "+44 77", True),
        ("phone", "not_contains", "+44-7700", False),
        ("phone", "ends_with", "0123", True),
        ("phone", "contains", " ", False),
        ("phone", "matches", r"^\+44", True),
        ("email", "equals", "JOSE\u0301@x.example\u00a0", True),
        ("email", "in", ["Jos\u00c9@X.example\u200b"], True),
        ("email", "starts_with", "jose\u0301", True),
        ("email", "contains", " ", False),
    ],
)
def test_contacts_are_compared_as_they_are_kept(attribute, operator, value, expected):
    """However they are typed: the message brings them into the same form."""
    make_profile(email=as_email("jose\u0301@x.example"), phone="+447700900123")
    rule = {"attribute": attribute, "is": operator, "value": value}
    assert tree.people(rule).exists() is expected


def test_a_key_that_looks_like_a_number_is_a_key():
    profile = Profile.objects.create(attributes={"0": "zero", "a'b\"%s": 1})
    for key, value in (("0", "zero"), ("a'b\"%s", 1)):
        rule = {"attribute": key, "is": "equals", "value": value}
        assert tree.people(rule).get() == profile


def test_a_person_without_an_external_id_is_missing_one():
    profile = Profile.objects.create()
    rule = {"attribute": "external_id", "is": "is_missing"}
    assert tree.people(rule).get() == profile
