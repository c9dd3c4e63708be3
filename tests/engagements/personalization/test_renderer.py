"""Many people rendered at once get what each alone would get."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from engagements.personalization.columns import Group
from engagements.personalization.renderer import compile_recipe
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


def recipe():
    version = ExternalAPIVersion(
        external_api=ExternalAPI(name="Track"),
        connection=Connection(base_url="https://rest.fra-01.braze.eu/"),
        method="POST",
        path="/users/track",
        body=json.dumps(BODY),
        parameters=[parameter.to_dict() for parameter in PARAMETERS],
        **PLANS["braze_75_combined"].fields(),
    )
    return compile_recipe(version, VALUES)


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
