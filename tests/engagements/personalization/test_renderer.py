"""Many people rendered at once get what each alone would get."""

import json
from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from engagements.personalization.columns import Group
from engagements.personalization.renderer import compile_recipe
from engagements.variants.plan import NONE, Variant, Variants
from externalapi.models import Connection, ExternalAPI, ExternalAPIVersion
from externalapi.template.batching import PLANS
from externalapi.template.parameters import Level, Parameter, ParameterType

BODY = {
    "attributes": [
        {
            "external_id": "{{ID}}",
            "first_name": "{{Name}}",
            "age": "{{Age}}",
            "city": {"name": "{{City}}"},
            "greeting": "Hello {{Name}} in {{City}}",
            "shop": "{{Shop}}",
            "plan": "{{Plan}}",
        }
    ]
}
PARAMETERS = [
    Parameter(name="ID", level=Level.IDENTIFIER),
    Parameter(name="Name"),
    Parameter(name="Age", type=ParameterType.INTEGER, required=False),
    Parameter(name="City", required=False),
    Parameter(name="Shop", level=Level.FIXED, value="Pune"),
    Parameter(name="Plan", default="free"),
    Parameter(name="Never asked", required=False),
]
VALUES = {
    "Name": "{{ profile.name | capitalize }}",
    "Age": "{{ profile.age }}",
    "City": "{{ event.properties.city }}",
    "Plan": "{{ profile.plan }}",
}
NOTHING = st.just(None)
PROFILES = st.fixed_dictionaries(
    {"external_id": st.sampled_from(["u1", "u2", ""])},
    optional={
        "name": st.sampled_from(["ann", "", 7]) | NOTHING,
        "age": st.integers() | st.sampled_from(["36", "old", True]) | NOTHING,
        "plan": st.sampled_from(["gold", ""]) | NOTHING,
    },
)
EVENTS = st.fixed_dictionaries(
    {},
    optional={
        "properties": st.dictionaries(st.just("city"), st.sampled_from(["Oslo", ""]))
    },
)


def recipe(body=BODY, parameters=PARAMETERS, values=VALUES, variants=NONE):
    version = ExternalAPIVersion(
        external_api=ExternalAPI(name="Track"),
        connection=Connection(base_url="https://rest.fra-01.braze.eu/"),
        method="POST",
        path="/users/track",
        body=json.dumps(body),
        parameters=[parameter.to_dict() for parameter in parameters],
        **PLANS["braze_75_combined"].fields(),
    )
    return compile_recipe(version, values, variants)


RECIPE = recipe()


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(PROFILES, EVENTS), min_size=1, max_size=6))
def test_together_people_get_what_each_alone_gets(people):
    profiles, events = zip(*people, strict=True)
    group = Group(shared={}, profiles=profiles, events=events)

    rendered, skipped = RECIPE.render(group)

    bodies = []
    for position in range(len(people)):
        alone, reasons = RECIPE.render(Group.of_one(group.context(position)))
        assert skipped.get(position) == reasons.get(0)
        bodies += alone.bodies if alone else []
    assert (rendered.bodies if rendered else []) == bodies


ODD_BODY = {
    "attributes": [
        {
            "external_id": "{{ID}}",
            "note": "{{Note}}",
            "tags": "{{Tags}}",
            "home": "{{Home}}",
            "score": "{{Score}}",
            "vip": "{{Vip}}",
            "joined": "{{Joined}}",
            "sent": {"at": "{{Now}}", "as": "{{Delivery}}"},
        }
    ]
}
ODD_PARAMETERS = [
    Parameter(name="ID", level=Level.IDENTIFIER),
    Parameter(name="Note", required=False),
    Parameter(name="Tags", type=ParameterType.LIST, required=False),
    Parameter(name="Home", type=ParameterType.OBJECT, required=False),
    Parameter(name="Score", type=ParameterType.NUMBER),
    Parameter(name="Vip", type=ParameterType.BOOLEAN, default="false"),
    Parameter(name="Joined", type=ParameterType.DATETIME, required=False),
    Parameter(name="Now", type=ParameterType.DATETIME),
    Parameter(name="Delivery"),
]
ODD_VALUES = {
    "Note": "{{ profile.note }}",
    "Tags": "{{ profile.tags }}",
    "Home": "{{ profile.home }}",
    "Score": "{{ event.properties.score }}",
    "Vip": "{{ profile.vip }}",
    "Joined": "{{ profile.joined }}",
    "Now": "{{ now }}",
    "Delivery": "{{ engagement.delivery_id }}",
}
B = {"Note": "B: {{ profile.note | upcase }}", "Score": "{{ profile.score | plus: 1 }}"}
TWO = Variants(
    variants=(Variant("A", "first", 50), Variant("B", "second", 50, B)),
    hundredths="AB" * 50,
)
ODD = [
    *(
        "",
        "x",
        "0",
        "1.5",
        "true",
        "Zoë 👩‍👩‍👧",
        "\u202eevil",
        "l" * 20_001,
        "2026-02-30",
    ),
    *("2026-11-01", "2026-11-01T02:30:00+05:30", "[1]", '{"a": 1}'),
    *(0, -1, 2**63, 1.5, 1e300, True, False, None),
    *(
        [],
        ["a", "b"],
        ["a", 1, None],
        [["deep"]],
        {},
        {"city": "Pune"},
        {"a": {"b": [1]}},
    ),
]
PLAIN = {
    "note": ["first", "second"],
    "tags": [["a"], ["b", "c"]],
    "home": [{"city": "Pune"}, {"city": "Oslo"}],
    "vip": [True, False],
    "joined": ["2026-01-31T09:30:05Z", "2025-12-01T00:00:00Z"],
    "score": [1, 2.5],
}


def mostly(plain):
    """One of a few plain values as a rule, so that some people have all of them."""
    return st.sampled_from([*plain * (2 * len(ODD)), *ODD])


ODD_PROFILES = st.fixed_dictionaries(
    {
        "external_id": st.sampled_from(["u1", "u2", "u3", "u4", ""]),
        **{name: mostly(plain) for name, plain in PLAIN.items()},
    }
)
ODD_EVENTS = st.fixed_dictionaries(
    {},
    optional={
        "properties": st.fixed_dictionaries({"score": mostly([3, 4])}),
    },
)
ODD_RECIPE = recipe(ODD_BODY, ODD_PARAMETERS, ODD_VALUES, TWO)


@settings(max_examples=400, deadline=None)
@given(st.lists(st.tuples(ODD_PROFILES, ODD_EVENTS), min_size=1, max_size=6))
def test_odd_people_together_get_what_each_alone_gets(people):
    """Of any type and length, each in a variant and by a delivery's own name."""
    profiles, events = zip(*people, strict=True)
    group = Group(
        shared={"now": datetime(2026, 11, 1, tzinfo=UTC)},
        profiles=profiles,
        events=events,
        engagements=[{"delivery_id": f"d{n}"} for n in range(len(people))],
        variants=[1 + n % 2 for n in range(len(people))],
    )

    rendered, skipped = ODD_RECIPE.render(group)

    bodies, said = [], {}
    for position in range(len(people)):
        alone, reasons = ODD_RECIPE.render(group.some([position]))
        assert skipped.get(position) == reasons.get(0)
        if alone:
            said |= {len(bodies): words for words in alone.left_out.values()}
            bodies += alone.bodies
    assert (rendered.bodies if rendered else []) == bodies
    assert (rendered.left_out if rendered else {}) == said


def test_who_lacks_something_does_not_hold_up_the_others():
    group = Group(
        shared={},
        profiles=[
            {"external_id": "u1", "name": "ann", "age": 36},
            {"external_id": None, "name": "bea", "age": 7},
            {"external_id": "u3", "age": 7},
            {"external_id": "u4", "name": "dot", "age": "old"},
            {"external_id": "u5", "name": "eve"},
        ],
        events=[{"properties": {"city": "Oslo"}}] * 5,
    )

    rendered, skipped = RECIPE.render(group)

    assert {n: skip.code for n, skip in skipped.items()} == {
        1: "no_identifier",
        2: "missing_parameter",
    }
    assert rendered.left_out == {1: "“Age” is left out: “old” is not a whole number."}
    assert [body["attributes"][0] for body in rendered.bodies] == [
        {
            "external_id": "u1",
            "first_name": "Ann",
            "age": 36,
            "city": {"name": "Oslo"},
            "greeting": "Hello Ann in Oslo",
            "shop": "Pune",
            "plan": "free",
        },
        {
            "external_id": "u4",
            "first_name": "Dot",
            "city": {"name": "Oslo"},
            "greeting": "Hello Dot in Oslo",
            "shop": "Pune",
            "plan": "free",
        },
        {
            "external_id": "u5",
            "first_name": "Eve",
            "city": {"name": "Oslo"},
            "greeting": "Hello Eve in Oslo",
            "shop": "Pune",
            "plan": "free",
        },
    ]


def test_of_nobody_nothing_is_made():
    assert RECIPE.render(Group(shared={}, profiles=[], events=[])) == (None, {})
