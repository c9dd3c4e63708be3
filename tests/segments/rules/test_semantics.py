"""What docs/segments.md says of comparisons, row by row; and the rule's JSON Schema."""

import json
import re
from datetime import datetime, timedelta
from io import StringIO
from pathlib import Path

import jsonschema
import pytest
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from segments.forms import RuleField
from segments.membership import evaluation, refresh
from segments.models import Event
from segments.rules import tree
from segments.rules.conditions import event, windows
from segments.rules.conditions.items import QUANTIFIERS
from segments.rules.operators import OPERATORS
from tests.factories import make_event, make_profile, make_segment

DOC = Path(__file__).parents[3] / "docs/segments.md"
ROW = re.compile(r"^\| (missing|`.*?`) \| `(\w+) ?(.*?)` \| (yes|no) \|$", re.M)
ROWS = ROW.findall(DOC.read_text())
EVENT_ROW = re.compile(r"^\| (nothing|`.*?`) \| `(\".*?)` \| (yes|no) \|$", re.M)
EVENT_ROWS = EVENT_ROW.findall(DOC.read_text())
OF_ITEMS = re.compile(r"^\| (missing|`.*?`) \| `({.*?})` \| (yes|no) \|$", re.M)
ROWS_OF_ITEMS = OF_ITEMS.findall(DOC.read_text())


def test_the_table_has_every_comparison():
    assert len(ROWS) > 50
    assert {operator for _, operator, _, _ in ROWS} == set(OPERATORS)


@pytest.mark.django_db
@pytest.mark.parametrize(("value", "operator", "compared", "holds"), ROWS)
def test_a_row_of_the_table(value, operator, compared, holds):
    compared, *options = compared.split("; ")
    rule = {"attribute": "a", "is": operator}
    if compared:
        rule["value"] = json.loads(compared)
    for option in options:
        name, _, given = option.partition(" ")
        rule[name] = json.loads(given) if given else True
    check(value, rule, holds == "yes")


def test_the_table_of_items_has_every_quantifier():
    found = {json.loads(condition)["items"] for _, condition, _ in ROWS_OF_ITEMS}
    assert found == set(QUANTIFIERS)


@pytest.mark.django_db
@pytest.mark.parametrize(("value", "condition", "holds"), ROWS_OF_ITEMS)
def test_a_row_of_the_table_of_items(value, condition, holds):
    check(value, {"attribute": "a", **json.loads(condition)}, holds == "yes")


def check(value, rule, holds):
    """Everybody, one person, and the statement that many segments share."""
    attributes = {} if value == "missing" else {"a": json.loads(value.strip("`"))}
    person = make_profile(**attributes)
    everybody = set(tree.people(rule).values_list("pk", flat=True))
    assert (person.pk in everybody) is holds
    assert tree.people(rule, [person.pk]).exists() is holds
    segment = make_segment(rule=rule)
    refresh.refresh(segment.pk)
    assert segment.memberships.exists() is holds
    few = make_segment(rule=rule)
    evaluation.evaluate([person.pk])
    assert few.memberships.exists() is holds


def test_the_table_has_all_that_a_condition_on_events_may_say():
    said = {key for _, text, _ in EVENT_ROWS for key in json.loads(f"{{{text}}}")}
    known = {"sequence", "without", "where", *event.HOW, *windows.KEYS}
    assert said == known - {"calendar"}


def do(person, text):
    """`X 3h; Y at 2026-01-31T10:00:00Z {"a": 1}`"""
    now = timezone.now()
    for one in text.strip("`").split("; "):
        name, when, properties = DID.fullmatch(one).groups()
        made = make_event(person, name, **json.loads(properties or "{}"))
        if when.startswith("at "):
            at = datetime.fromisoformat(when.removeprefix("at "))
        else:
            at = now - timedelta(hours=int(when.removesuffix("h")))
        Event.objects.filter(pk=made.pk).update(time=at)


DID = re.compile(r"(\w) (\d+h|at \S+)(?: (\{.*\}))?")


@pytest.mark.django_db
@pytest.mark.parametrize(("did", "condition", "holds"), EVENT_ROWS)
def test_a_row_of_the_table_of_events(did, condition, holds):
    person = make_profile()
    if did != "nothing":
        do(person, did)
    rule = json.loads(f"{{{condition}}}")
    if "sequence" not in rule:
        rule["event"] = "X"
    assert tree.people(rule).exists() is (holds == "yes")
    assert tree.people(rule, [person.pk]).exists() is (holds == "yes")


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (
            {"attribute": "age", "is": "between", "value": [40, 20]},
            "Rule, attribute age, “is between”: write the smaller one first.",
        ),
        (
            {
                "all": [
                    {"event": "A"},
                    {
                        "any": [
                            {
                                "event": "B",
                                "where": [
                                    {
                                        "property": "at",
                                        "is": "between",
                                        "value": [
                                            "2026-01-02",
                                            "2026-01-01T23:00:00Z",
                                        ],
                                    }
                                ],
                            }
                        ]
                    },
                ]
            },
            "Condition 2, condition 1, event B, where 1, property at, “is between”: "
            "write the smaller one first.",
        ),
        (
            {
                "sequence": [{"event": "A"}, {"event": "B"}],
                "without": {
                    "event": "C",
                    "where": [{"property": "at", "is": "between", "value": [2, 1]}],
                },
            },
            "Rule, without, event C, where 1, property at, “is between”: "
            "write the smaller one first.",
        ),
    ],
)
def test_exchanged_ends_are_refused_when_they_are_saved(rule, message):
    with pytest.raises(ValidationError) as error:
        RuleField().clean(json.dumps(rule))
    assert error.value.messages == [message]
    # What was saved before is counted as it was.
    tree.validate(rule)


def test_the_schema_is_one_and_the_command_prints_it():
    jsonschema.Draft202012Validator.check_schema(tree.schema())
    out = StringIO()
    call_command("rule_schema", stdout=out)
    assert json.loads(out.getvalue()) == tree.schema()


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**6), 10**6),
    st.sampled_from(
        ["", " ", "x", "2026-01-31", "2026-01-31T10:00:00Z", "31.1.2026", "mon"]
    ),
)
VALUES = st.one_of(SCALARS, st.lists(SCALARS, max_size=3))


# Which zones there are the schema leaves to `validate`.
OPTIONS = {
    "fold": st.sampled_from([True, False, None]),
    "numbers_in_text": st.sampled_from([True, "yes"]),
    "calendar": st.sampled_from([True, False, 1]),
    "zone": st.sampled_from(["Asia/Kolkata", "UTC", "", 5]),
}


def comparisons(kind):
    named = {kind: st.sampled_from(["a", "", " ", 5])}
    return st.fixed_dictionaries(
        {**named, "is": st.sampled_from([*OPERATORS, "like"])},
        optional={"value": VALUES, "x": st.just(1), **OPTIONS},
    )


EVENTS = st.fixed_dictionaries(
    {"event": st.sampled_from(["a", ""])},
    optional={
        "at_least": st.sampled_from([0, 1, 5, True, "1", 10**7]),
        "at_most": st.sampled_from([-1, 0, 5]),
        "exactly": st.sampled_from([0, 5, 2.5]),
        "pick": st.sampled_from(["first", "last", "any", None]),
        "aggregate": st.fixed_dictionaries(
            {
                "of": st.sampled_from(["a", "", 5]),
                "by": st.sampled_from(["sum", "distinct", "median"]),
                "is": st.sampled_from(["less", "between", "in"]),
                "value": st.sampled_from([5, 1e30, "5", [1, 2], [1], None]),
            },
            optional={"x": st.just(1)},
        ),
        "within_days": st.sampled_from([None, 0, 7, 10**5]),
        "within_hours": st.sampled_from([0, 5, None]),
        "before_days": st.sampled_from([0, 5, None]),
        "between_days": st.sampled_from([[0, 1], [1], [1, 2, 3], ["1", 2], None]),
        "from": st.sampled_from(["2026-01-31", "31.1.2026", 5]),
        "until": st.sampled_from(["2026-02-01T10:00", "", None]),
        "calendar": st.sampled_from([True, False, None]),
        "zone": st.sampled_from(["UTC", "Asia/Kolkata", "Mars/Base", ""]),
        "where": st.one_of(st.none(), st.lists(comparisons("property"), max_size=2)),
    },
)
STEPS = st.fixed_dictionaries(
    {"event": st.sampled_from(["a", ""])},
    optional={"where": st.lists(comparisons("property"), max_size=1), "x": st.just(1)},
)
SEQUENCES = st.fixed_dictionaries(
    {"sequence": st.lists(STEPS, max_size=6) | st.none()},
    optional={
        "within_hours": st.sampled_from([0, 5, None]),
        "within_days": st.sampled_from([0, 5, None]),
        "without": STEPS | st.none(),
    },
)
ITEMS = st.fixed_dictionaries(
    {
        "attribute": st.sampled_from(["a", ""]),
        "items": st.sampled_from([*QUANTIFIERS, "x"]),
    },
    optional={
        "count": st.sampled_from([0, 1, True, -1, 10**6]),
        "where": st.one_of(st.none(), st.lists(comparisons("property"), max_size=2)),
    },
)
RULES = st.recursive(
    st.one_of(
        comparisons("attribute"), EVENTS, SEQUENCES, ITEMS, st.just({}), st.just([])
    ),
    lambda part: st.one_of(
        st.lists(part, max_size=2).map(lambda parts: {"all": parts}),
        st.lists(part, max_size=2).map(lambda parts: {"any": parts}),
        part.map(lambda one: {"not": one}),
    ),
    max_leaves=3,
)
VALIDATOR = jsonschema.Draft202012Validator(tree.schema())


@given(rule=RULES)
def test_the_schema_takes_what_is_a_rule(rule):
    try:
        tree.validate(rule)
    except ValidationError:
        return
    VALIDATOR.validate(rule)


@given(rule=RULES)
def test_what_the_schema_takes_is_a_rule(rule):
    if VALIDATOR.is_valid(rule):
        tree.validate(rule)
