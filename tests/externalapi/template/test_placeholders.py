import pytest

from externalapi.template.placeholders import (
    compile_text,
    compile_tree,
    find,
    find_in_tree,
)


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
        # Sent empty, it would overwrite what the other side has.
        ({"deep": [{"x": "{{A}}"}]}, {}, {}),
        ({"deep": [{"x": "{{A}}"}, 1], "b": {"c": ["{{A}}"]}}, {}, {"deep": [1]}),
        ({"empty": {}, "none": [], "x": "{{A}}"}, {}, {"empty": {}, "none": []}),
        ({"x": "{{A}}"}, {"A": []}, {"x": []}),
        ([{"x": "{{A}}"}], {}, []),
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
    assert render({}) == {}
    assert render({"A": 3, "B": 4}) == {"a": 3, "l": [{"b": 4}]}


def test_a_text_is_filled_as_it_is_asked_to_be_written():
    assert (
        compile_text("/u/{{Id}}/x", lambda value: f"<{value}>")({"Id": 7}) == "/u/<7>/x"
    )
