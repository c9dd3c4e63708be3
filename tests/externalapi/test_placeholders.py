import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from externalapi.placeholders import compile_text, compile_tree, find, find_in_tree


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("{{Name of the User}}", ["Name of the User"]),
        ("{{ b }} and {{a}} and {{b}}", ["b", "a"]),
        ("{{Email?}} {{Größe (cm)}}", ["Email?", "Größe (cm)"]),
        ("{ {no} } {{}} {{ }} {{open", []),
        ("{{" + " " * 50_000, []),
        ("{{" * 20_000, []),
    ],
    ids=lambda value: repr(value)[:60],
)
def test_names_are_found_in_order_each_once(text, names):
    assert find(text) == names


def test_names_are_found_in_the_values_of_a_tree():
    tree = {"a": ["{{x}}", {"b": "hi {{y}} {{x}}"}], "{{key}}": 1}
    assert find_in_tree(tree) == ["x", "y"]


@pytest.mark.parametrize(
    ("tree", "values", "expected"),
    [
        ({"age": "{{Age}}"}, {"Age": 42}, {"age": 42}),
        ({"age": "{{ Age }}"}, {"Age": 42}, {"age": 42}),
        ({"ok": "{{A}}"}, {"A": True}, {"ok": True}),
        ({"tags": "{{T}}"}, {"T": ["a", 1]}, {"tags": ["a", 1]}),
        ({"gone": "{{A}}"}, {"A": None}, {"gone": None}),
        (
            {"text": "Hi {{A}}, you are {{B}}"},
            {"A": "Ada", "B": 36},
            {"text": "Hi Ada, you are 36"},
        ),
        ({"text": "{{A}}{{B}}"}, {"A": 1, "B": False}, {"text": "1false"}),
        ({"text": "Hi {{A}}!"}, {}, {"text": "Hi !"}),
        ({"a": "{{A}}", "b": 1}, {}, {"b": 1}),
        (["{{A}}", "{{B}}", 3], {"B": 2}, [2, 3]),
        ({"deep": [{"x": "{{A}}"}]}, {}, {"deep": [{}]}),
        ({"{{A}}": "{{A}}"}, {"A": "v"}, {"{{A}}": "v"}),
        ("{{A}}", {"A": [1]}, [1]),
        ("{{A}}", {}, None),
        ({"a": 1}, {}, {"a": 1}),
        (None, {}, None),
    ],
    ids=lambda value: repr(value)[:60],
)
def test_a_tree_is_filled(tree, values, expected):
    assert compile_tree(tree)(values) == expected


def test_a_value_cannot_add_a_key_or_become_a_placeholder():
    render = compile_tree({"name": "{{A}}", "text": "x{{A}}", "b": "{{B}}"})
    evil = '","admin":true,"x":"{{B}}'
    assert render({"A": evil, "B": 1}) == {"name": evil, "text": f"x{evil}", "b": 1}


def test_the_order_of_keys_stays():
    render = compile_tree({"z": "{{A}}", "y": 1, "x": "t{{A}}", "w": "{{B}}"})
    assert list(render({"A": 1, "B": 2})) == ["z", "y", "x", "w"]


def test_one_persons_values_do_not_stay_for_the_next():
    render = compile_tree({"a": "{{A}}", "l": [{"b": "{{B}}"}]})
    assert render({"A": 1, "B": 2}) == {"a": 1, "l": [{"b": 2}]}
    assert render({}) == {"l": [{}]}
    assert render({"A": 3, "B": 4}) == {"a": 3, "l": [{"b": 4}]}


def test_a_text_is_filled_as_it_is_asked_to_be_written():
    assert (
        compile_text("/u/{{Id}}/x", lambda value: f"<{value}>")({"Id": 7}) == "/u/<7>/x"
    )


# A slow and obvious way to do the same, one rule a line.
MISSING = object()


def oracle(tree, values):
    if isinstance(tree, dict):
        filled = {key: oracle(item, values) for key, item in tree.items()}
        return {key: item for key, item in filled.items() if item is not MISSING}
    if isinstance(tree, list):
        return [i for i in (oracle(item, values) for item in tree) if i is not MISSING]
    if not isinstance(tree, str):
        return tree
    if (whole := re.fullmatch(r"\{\{(.)\}\}", tree)) is not None:
        return values.get(whole[1], MISSING)
    return re.sub(r"\{\{(.)\}\}", lambda m: written(values.get(m[1], "")), tree)


def written(value):
    return str(value).lower() if isinstance(value, bool) else str(value)


SCALARS = st.integers() | st.booleans() | st.text(max_size=5)
VALUES = st.dictionaries(
    st.sampled_from("ABC"), SCALARS | st.lists(SCALARS, max_size=2), max_size=3
)
LEAVES = st.sampled_from(
    ["{{A}}", "{{B}}", "{{C}}", 1, 2.5, None, True, "constant"]
) | st.sampled_from(["x{{A}}", "{{A}}{{B}}", "{{B}} and {{C}}."])
TREES = st.recursive(
    LEAVES,
    lambda child: (
        st.lists(child, max_size=4)
        | st.dictionaries(st.sampled_from("klmno{"), child, max_size=4)
    ),
    max_leaves=20,
)


@settings(deadline=None)
@given(tree=TREES, values=st.dictionaries(st.sampled_from("ABC"), SCALARS, max_size=3))
def test_filling_is_what_the_obvious_way_gives(tree, values):
    expected = oracle(tree, values)
    result = compile_tree(tree)(values)
    assert result == (None if expected is MISSING else expected)
    assert repr(result) == repr(None if expected is MISSING else expected)


@settings(deadline=None)
@given(tree=TREES, values=VALUES)
def test_with_every_value_given_no_key_is_lost_or_added(tree, values):
    full = {"A": 1, "B": "b", "C": False} | values

    def shape(tree, filled):
        if isinstance(tree, dict):
            assert list(filled) == list(tree)
            for key in tree:
                shape(tree[key], filled[key])
        elif isinstance(tree, list):
            assert len(filled) == len(tree)
            for one, other in zip(tree, filled, strict=True):
                shape(one, other)
        elif isinstance(tree, str) and re.fullmatch(r"\{\{.\}\}", tree):
            assert filled is full[tree[2]]

    shape(tree, compile_tree(tree)(full))
