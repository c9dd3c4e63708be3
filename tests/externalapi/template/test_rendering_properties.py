"""For any tree and any values: what is rendered is what an obvious filler makes."""

import random
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from externalapi.template.placeholders import (
    compile_columns,
    compile_tree,
    find_in_tree,
)

NAMES = ["A", "B b", "Ü", "x.y"]
GONE = object()

texts = st.text(st.characters(codec="utf-8", exclude_characters="{}\0"), max_size=8)
templates = st.lists(
    texts | st.sampled_from(NAMES).map(lambda name: f"{{{{{name}}}}}"), max_size=4
).map("".join)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
)


def trees(leaves):
    return st.recursive(
        leaves,
        lambda inner: (
            st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4)
        ),
        max_leaves=25,
    )


templates_as_trees = trees(scalars | templates)
# A value never is None: that is how a missing one is said.
values_given = st.dictionaries(
    st.sampled_from(NAMES), trees(scalars | texts).filter(lambda v: v is not None)
)


PLACEHOLDER = re.compile(r"\{\{([^{}]+)\}\}")


def fill(tree, values):
    """The rules, as slowly and plainly as they can be said."""
    if isinstance(tree, str):
        if whole := PLACEHOLDER.fullmatch(tree):
            return values.get(whole[1], GONE)
        return PLACEHOLDER.sub(lambda found: written(values.get(found[1])), tree)
    if isinstance(tree, dict):
        filled = {key: fill(item, values) for key, item in tree.items()}
        left = {key: item for key, item in filled.items() if item is not GONE}
    elif isinstance(tree, list):
        filled = [fill(item, values) for item in tree]
        left = [item for item in filled if item is not GONE]
    else:
        return tree
    return GONE if filled and not left else left


def written(value):
    if value is None:
        return ""
    if isinstance(value, dict | list):
        return orjson.dumps(value).decode()
    if isinstance(value, float):
        return f"{Decimal(repr(value)):f}"
    return str(value).lower() if isinstance(value, bool) else str(value)


def filled_whole(tree, values):
    filled = fill(tree, values)
    if filled is not GONE:
        return filled
    return {} if isinstance(tree, dict) else [] if isinstance(tree, list) else None


def same(one, other):
    """Equal with equal types all the way down: True is not 1, and 1 is not 1.0."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[k], other[k]) for k in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


@settings(max_examples=400, deadline=None)
@given(templates_as_trees, values_given)
def test_a_tree_is_filled_as_the_rules_say(tree, values):
    assert same(compile_tree(tree)(values), filled_whole(tree, values))


@settings(max_examples=200, deadline=None)
@given(templates_as_trees, values_given)
def test_neither_template_nor_values_are_changed(tree, values):
    before = orjson.dumps([tree, values])
    fill_in = compile_tree(tree)
    first = orjson.dumps(fill_in(values))
    assert orjson.dumps([tree, values]) == before
    assert orjson.dumps(fill_in(values)) == first


@settings(max_examples=200, deadline=None)
@given(templates_as_trees, st.fixed_dictionaries(dict.fromkeys(NAMES, scalars | texts)))
def test_with_every_value_no_key_is_added_or_lost(tree, values):
    values = {name: "" if v is None else v for name, v in values.items()}
    assert shape(compile_tree(tree)(values)) == shape(tree)


def shape(tree):
    if isinstance(tree, dict):
        return {key: shape(item) for key, item in tree.items()}
    if isinstance(tree, list):
        return [shape(item) for item in tree]
    return None


@settings(max_examples=200, deadline=None)
@given(templates_as_trees)
def test_what_has_no_placeholder_is_sent_as_it_stands(tree):
    if not find_in_tree(tree):
        assert same(compile_tree(tree)({}), tree)


# --- Many at once -----------------------------------------------------------------------

# Of everything that is filled in or written in a way of its own, and what comes near it.
TEXTS = ["", "a", " A ", "Ü\n", '"\\', "\x7f", "𝄞", "}", "null"]
SCALARS = [None, True, False, 0, 1, -1, 2**53, 0.0, -0.0, 1.0, 0.1, 1e16, 5e-324, 1e308]


def a_scalar(chance: random.Random) -> Any:
    return chance.choice([*SCALARS, *TEXTS])


def a_template(chance: random.Random) -> Any:
    """A placeholder, a text with some in it, or what has none."""
    placeholder = f"{{{{{chance.choice(NAMES)}}}}}"
    if chance.random() < 0.4:
        return placeholder
    if chance.random() < 0.4:
        return a_scalar(chance)
    parts = chance.choices([*TEXTS[:-2], placeholder], k=chance.randrange(3))
    return "".join([*parts, f"{{{{{chance.choice(NAMES)}}}}}"])


def a_tree(
    chance: random.Random, leaf: Callable[[random.Random], Any], depth: int = 3
) -> Any:
    if depth == 0 or chance.random() < 0.3:
        return leaf(chance)
    items = [a_tree(chance, leaf, depth - 1) for _ in range(chance.randrange(4))]
    if chance.random() < 0.4:
        return items
    return dict(zip(chance.sample([*NAMES, *TEXTS], len(items)), items, strict=True))


def a_value(chance: random.Random) -> Any:
    return "" if (found := a_tree(chance, a_scalar, 2)) is None else found


def test_many_at_once_are_filled_as_each_alone():
    """All of them have a value for the same names."""
    for seed in range(4_000):
        chance = random.Random(seed)
        tree = a_tree(chance, a_template)
        names = chance.sample(NAMES, chance.randrange(len(NAMES) + 1))
        crowd = [
            {name: a_value(chance) for name in names}
            for _ in range(chance.randint(1, 3))
        ]
        columns = {name: [values[name] for values in crowd] for name in names}
        fill_one = compile_tree(tree)

        found = compile_columns(tree, frozenset(names))(columns, len(crowd))

        assert len(found) == len(crowd), (seed, tree, crowd)
        assert all(map(same, found, map(fill_one, crowd))), (seed, tree, crowd, found)
