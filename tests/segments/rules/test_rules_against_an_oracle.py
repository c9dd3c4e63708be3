"""The compiled rule and a slow, obvious reading of the same rule always agree."""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from segments.membership import refresh
from segments.models import Event, Profile, Segment
from segments.rules import tree
from tests.factories import make_segment, make_source

pytestmark = pytest.mark.django_db

KEYS = ("a", "b")
NAMES = ("X", "Y")
DATES = ("2026-01-01", "2026-03-01T10:00:00Z", "2026-02-30")
TEXTS = ("", "5", "5.0", "Pune", "une", "true", *DATES)

scalars = st.sampled_from((*TEXTS, 0, 1, 5, 5.0, -2.5, True, False))
values = scalars | st.none() | st.lists(scalars, max_size=2) | st.just({"5": 5})
objects = st.dictionaries(st.sampled_from(KEYS), values)
texts = st.sampled_from([text for text in TEXTS if text])
numbers = st.sampled_from((0, 1, 5, 5.0, -2.5))
dates = st.sampled_from(DATES[:2])
given_values = texts | numbers | st.booleans()

operations = st.one_of(
    st.tuples(st.sampled_from(("equals", "not_equals")), given_values),
    st.tuples(st.sampled_from(("contains", "starts_with", "ends_with")), texts),
    st.tuples(st.sampled_from(("greater", "less")), numbers | dates),
    st.tuples(st.just("between"), st.lists(numbers, min_size=2, max_size=2)),
    st.tuples(st.just("between"), st.lists(dates, min_size=2, max_size=2)),
    st.tuples(st.just("in"), st.lists(given_values, min_size=1, max_size=3)),
    st.tuples(st.sampled_from(("is_present", "is_missing")), st.none()),
)
comparisons = operations.map(lambda pair: {"is": pair[0], "value": pair[1]})
attribute_conditions = st.builds(
    lambda name, rest: {"attribute": name, **rest},
    st.sampled_from((*KEYS, "email", "phone", "external_id")),
    comparisons,
)
wheres = st.builds(
    lambda name, rest: {"property": name, **rest}, st.sampled_from(KEYS), comparisons
)
event_conditions = st.fixed_dictionaries(
    {"event": st.sampled_from(NAMES)},
    optional={
        "at_least": st.integers(1, 3),
        "within_days": st.none() | st.sampled_from((3, 10)),
        "where": st.lists(wheres, max_size=2),
    },
)
trees = st.recursive(
    attribute_conditions | event_conditions,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"all": parts}),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"any": parts}),
        inner.map(lambda part: {"not": part}),
    ),
    max_leaves=5,
)
# Days ago, well away from the edges of the windows above.
events = st.tuples(st.sampled_from(NAMES), st.sampled_from((1, 5, 20)), objects)
people = st.lists(
    st.tuples(
        objects,
        st.sampled_from(("", "5", "pune")),
        st.sampled_from((None, "5", "Pune")),
        st.lists(events, max_size=4),
    ),
    min_size=1,
    max_size=4,
    # An external ID names one person.
    unique_by=lambda person: person[2] or object(),
)


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(rule=trees, people=people)
def test_the_compiled_rule_takes_in_just_the_oracles_people(rule, people):
    Profile.objects.all().delete()
    made = {store(person): person for person in people}
    expected = {pk for pk, person in made.items() if holds(rule, person)}
    assert set(tree.people(rule).values_list("pk", flat=True)) == expected
    for pk in made:
        assert tree.people(rule, [pk]).exists() is (pk in expected)


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(rule=trees, people=people)
def test_the_event_that_goes_along_is_the_oracles(rule, people):
    Profile.objects.all().delete()
    Segment.objects.all().delete()
    made = {store(person): person for person in people}
    segment = make_segment(rule=rule)
    refresh.refresh(segment.pk)
    brought_in = dict(segment.memberships.values_list("profile", "event__message_id"))
    assert brought_in == {
        pk: newest(person, true_events(rule, person))
        for pk, person in made.items()
        if holds(rule, person)
    }


def newest(person, numbers):
    days = [event[1] for event in person[3]]
    found = sorted(numbers, key=lambda number: (-days[number], number))
    return str(found[-1]) if found else None


def true_events(rule, person, wanted=True):
    """The events that satisfy a condition that had a say, as numbers."""
    if holds(rule, person) is not wanted:
        return set()
    if "not" in rule:
        return true_events(rule["not"], person, not wanted)
    if "event" in rule:
        return set(satisfying(rule, person)) if wanted else set()
    parts = rule.get("all") or rule.get("any") or ()
    return set().union(*(true_events(part, person, wanted) for part in parts))


def store(person):
    attributes, email, external_id, did = person
    profile = Profile.objects.create(
        attributes=attributes, email=email, external_id=external_id
    )
    source, now = make_source(), timezone.now()
    Event.objects.bulk_create(
        Event(
            source=source,
            message_id=str(number),
            profile=profile,
            name=name,
            time=now - timedelta(days=days),
            properties=properties,
        )
        for number, (name, days, properties) in enumerate(did)
    )
    return profile.pk


def holds(rule, person):
    attributes, email, external_id, _ = person
    if "all" in rule:
        return all(holds(part, person) for part in rule["all"])
    if "any" in rule:
        return any(holds(part, person) for part in rule["any"])
    if "not" in rule:
        return not holds(rule["not"], person)
    if "attribute" in rule:
        columns = {"email": email, "phone": "", "external_id": external_id}
        value = rule["value"]
        if rule["attribute"] == "email":
            value = lower(value)
        known = {**attributes, **columns}
        return compare(rule["is"], known.get(rule["attribute"]), value)
    return len(satisfying(rule, person)) >= rule.get("at_least", 1)


def satisfying(rule, person):
    return [
        number
        for number, (name, days, properties) in enumerate(person[3])
        if name == rule["event"]
        and days <= (rule.get("within_days") or 999)
        and all(
            compare(w["is"], properties.get(w["property"]), w["value"])
            for w in rule.get("where") or ()
        )
    ]


def lower(value):
    if isinstance(value, list):
        return [lower(one) for one in value]
    return value.lower() if isinstance(value, str) else value


def compare(operator, left, right):
    if operator == "equals":
        return same(left, right)
    if operator == "not_equals":
        return not same(left, right)
    if operator == "in":
        return any(same(left, one) for one in right)
    if operator == "is_present":
        return left is not None and left != ""
    if operator == "is_missing":
        return left is None or left == ""
    if operator == "contains" and isinstance(left, list):
        return right in [one for one in left if isinstance(one, str)]
    if operator in ("contains", "starts_with", "ends_with"):
        if not isinstance(left, str):
            return False
        return {
            "contains": right in left,
            "starts_with": left.startswith(right),
            "ends_with": left.endswith(right),
        }[operator]
    return ordered(operator, left, right)


def same(left, right):
    text = str(right).lower() if isinstance(right, bool) else str(right)
    if isinstance(left, bool):
        return text == ("true" if left else "false")
    if isinstance(left, int | float):
        return is_number(text) and Decimal(str(left)) == Decimal(text)
    return isinstance(left, str) and left == text


def is_number(text):
    try:
        Decimal(text)
    except ArithmeticError:
        return False
    return True


def ordered(operator, left, right):
    bounds = right if isinstance(right, list) else [right]
    if isinstance(bounds[0], str):
        left, bounds = as_time(left), [as_time(bound) for bound in bounds]
    elif isinstance(left, bool) or not isinstance(left, int | float):
        left = None
    if left is None:
        return False
    if operator == "between":
        return bounds[0] <= left <= bounds[1]
    return left > bounds[0] if operator == "greater" else left < bounds[0]


def as_time(value):
    if not isinstance(value, str):
        return None
    try:
        time = datetime.fromisoformat(value)
    except ValueError:
        return None
    return time if time.tzinfo else time.replace(tzinfo=timezone.get_default_timezone())
