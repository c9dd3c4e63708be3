"""What one sent value makes of the stored one."""

import pytest

from tests.externalapi.vendors.braze.sandbox.people import (
    NOW,
    attributes,
    custom_after,
    stored,
)

LONG = "x" * 256
PETS = [{"id": 1, "name": "Rex"}, {"id": 2, "name": "Tom"}]


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ([{"a": "x"}], {"a": "x"}),
        ([{"a": 1}, {"a": 2.5}], {"a": 2.5}),
        ([{"a": True}], {"a": True}),
        ([{"a": "x"}, {"a": ""}], {"a": ""}),
        ([{"a": "x"}, {"a": None}], {}),
        ([{"a": None}], {}),
        ([{" a ": "x"}], {"a": "x"}),  # names are trimmed
        ([{"A": 1, "a": 2}], {"A": 1, "a": 2}),
        ([{"a": "x"}, {"a": LONG}], {"a": "x"}),
        ([{"a" * 256: 1}], {}),
        ([{" ": 1}], {}),
        # Increments
        ([{"a": {"inc": 2}}], {"a": 2}),
        ([{"a": 40}, {"a": {"inc": 2}}], {"a": 42}),
        ([{"a": 40}, {"a": {"inc": -2}}], {"a": 38}),
        ([{"a": 40}, {"a": {"inc": 1.5}}], {"a": 40}),
        ([{"a": "40"}, {"a": {"inc": 2}}], {"a": "40"}),
        # Arrays are sets; a value that is added again moves to the end
        ([{"a": ["x", "y", "x"]}], {"a": ["y", "x"]}),
        ([{"a": ["x", "y"]}, {"a": {"add": ["x", "z"]}}], {"a": ["y", "x", "z"]}),
        ([{"a": ["x", "y"]}, {"a": {"remove": ["x", "q"]}}], {"a": ["y"]}),
        ([{"a": ["x"]}, {"a": {"add": ["y"], "remove": ["x"]}}], {"a": ["y"]}),
        ([{"a": {"add": ["x"]}}], {"a": ["x"]}),
        ([{"a": "text"}, {"a": {"add": ["x"]}}], {"a": "text"}),
        ([{"a": ["x"]}, {"a": []}], {"a": []}),
        ([{"a": ["x", 1]}], {"a": ["x", "1"]}),  # mixed arrays become strings
        # Objects: set replaces, _merge_objects merges deeply
        ([{"a": {"b": 1}}, {"a": {"c": 2}}], {"a": {"c": 2}}),
        (
            [
                {"a": {"b": {"x": 1}, "k": 0}},
                {"a": {"b": {"y": 2}}, "_merge_objects": True},
            ],
            {"a": {"b": {"x": 1, "y": 2}, "k": 0}},
        ),
        ([{"a": {"b": 1}}, {"a": None}], {}),
        ([{"a": {"b": {"$time": "2026-01-02T03:04:05Z"}}}], None),
        # Arrays of objects
        (
            [{"a": PETS}, {"a": {"$add": [{"id": 3}]}}],
            {"a": [*PETS, {"id": 3}]},
        ),
        (
            [
                {"a": PETS},
                {"a": {"$remove": [{"$identifier_key": "id", "$identifier_value": 1}]}},
            ],
            {"a": PETS[1:]},
        ),
        (
            [
                {"a": PETS},
                {
                    "a": {
                        "$update": [
                            {
                                "$identifier_key": "id",
                                "$identifier_value": 1,
                                "$new_object": {"age": 3},
                            }
                        ]
                    },
                    "_merge_objects": True,
                },
            ],
            {"a": [{"id": 1, "name": "Rex", "age": 3}, PETS[1]]},
        ),
        (
            [
                {"a": PETS},
                {
                    "a": {
                        "$update": [
                            {
                                "$identifier_key": "id",
                                "$identifier_value": 1,
                                "$new_object": {"age": 3},
                            }
                        ]
                    }
                },
            ],
            {"a": [{"age": 3}, PETS[1]]},
        ),
        # $add comes before $remove, so that the two are no "replace"
        (
            [
                {"a": PETS},
                {
                    "a": {
                        "$remove": [{"$identifier_key": "id", "$identifier_value": 1}],
                        "$add": [{"id": 1, "name": "New"}],
                    }
                },
            ],
            {"a": PETS[1:]},
        ),
    ],
)
def test_the_value_that_is_kept(sent, kept):
    expected = sent[-1] if kept is None else kept
    assert custom_after(*sent) == expected


def test_of_too_many_array_values_the_oldest_are_dropped():
    kept = custom_after({"a": [f"v{n}" for n in range(500)]}, {"a": {"add": ["new"]}})
    assert len(kept["a"]) == 500
    assert (kept["a"][0], kept["a"][-1]) == ("v1", "new")


@pytest.mark.parametrize(
    "bad",
    [
        {"b": None},
        {"b": LONG},
        {"b": {"$time": "soon"}},
        {"b": {"$time": "3001-01-01T00:00:00Z"}},
        {"a key": 1},
        {"a.key": 1},
        {"$key": 1},
        [{"b": None}],
        {"$add": [{"b": None}]},
    ],
)
def test_one_bad_nested_value_drops_all_nested_updates_of_the_request(bad):
    store = stored(attributes(a={"old": 1}))
    request = [
        attributes(a={"new": 1}, plain="kept"),
        attributes("bob", b=bad),
    ]
    store.apply({"attributes": request}, NOW)
    ada, bob = store.people.all
    assert ada.custom == {"a": {"old": 1}, "plain": "kept"}
    assert bob.custom == {}


def test_an_object_over_100_kilobytes_leaves_the_old_one():
    huge = {f"k{n}": "x" * 200 for n in range(600)}
    assert custom_after({"a": {"b": 1}}, {"a": huge}) == {"a": {"b": 1}}
    assert custom_after({"a": huge}) == {}
