import orjson
import pytest

from externalapi.template.batching import (
    PLAN_LABELS,
    PLANS,
    BatchPlan,
    TooBigError,
    pack,
    people_per_request,
    plan_code,
)

COMBINED = PLANS["braze_75_combined"]
EACH = PLANS["braze_75_each"]
ONE = PLANS["one"]


def test_every_choice_on_the_screen_has_a_plan():
    assert set(PLANS) == set(PLAN_LABELS)


def test_a_plan_says_itself_in_words():
    assert ONE.label == "One request for each person"
    assert COMBINED.label == "75 together (attributes, events, purchases)"
    assert EACH.label == "75 in each array (attributes, events, purchases)"


def test_a_plan_is_found_by_its_fields():
    assert plan_code(BatchPlan()) == "one"
    assert plan_code(BatchPlan(arrays=("items",), each=50)) is None


@pytest.mark.parametrize(
    ("plan", "body", "people"),
    [
        ("braze_75_combined", {"attributes": [{}]}, 75),
        ("braze_75_combined", {"attributes": [{}], "events": [{}]}, 37),
        (
            "braze_75_combined",
            {"attributes": [{}], "events": [{}], "purchases": [{}]},
            25,
        ),
        ("braze_75_combined", {"attributes": [{}], "events": []}, 75),
        ("braze_75_combined", {"events": [{}] * 50}, 1),
        ("braze_75_each", {"attributes": [{}], "events": [{}]}, 75),
        ("braze_75_each", {"attributes": [{}], "events": [{}, {}]}, 37),
        ("braze_50_combined", {"attributes": [{}], "events": [{}]}, 25),
        ("braze_75_combined", {"attributes": [{}], "partner": "x"}, 75),
        # What is outside the arrays is sent once: it may not be one person's.
        ("braze_75_combined", {"attributes": [{}], "campaign": "{{Campaign}}"}, 1),
        ("braze_75_combined", {"recipients": [{}]}, 1),
        ("braze_75_combined", {}, 1),
        ("braze_75_combined", [1], 1),
        ("braze_75_combined", None, 1),
        ("one", {"attributes": [{}]}, 1),
    ],
    ids=lambda value: repr(value)[:60],
)
def test_people_in_a_request_follow_from_the_bodys_shape(plan, body, people):
    assert people_per_request(PLANS[plan], body) == people


def test_packing_leads_every_object_back_to_its_person():
    bodies = [
        {"attributes": [{"id": 1}], "events": [{"e": 1}, {"e": 2}], "partner": "x"},
        {"attributes": [{"id": 2}], "events": []},
        {"events": [{"e": 3}]},
    ]
    packed = pack(COMBINED, bodies)
    assert orjson.loads(packed.body) == {
        "partner": "x",
        "attributes": [{"id": 1}, {"id": 2}],
        "events": [{"e": 1}, {"e": 2}, {"e": 3}],
    }
    assert packed.item_count == 5
    items = [("attributes", 0), ("attributes", 1), *(("events", n) for n in range(3))]
    assert [packed.owner(*item) for item in items] == [0, 1, 0, 0, 2]
    nothing = [("attributes", 2), ("attributes", -1), ("purchases", 0)]
    assert [packed.owner(*item) for item in nothing] == [None, None, None]


def test_the_bodies_themselves_are_not_changed():
    bodies = [{"attributes": [{"id": 1}]}, {"attributes": [{"id": 2}]}]
    pack(COMBINED, bodies)
    assert bodies == [{"attributes": [{"id": 1}]}, {"attributes": [{"id": 2}]}]


def test_empty_arrays_are_dropped():
    packed = pack(
        COMBINED, [{"attributes": [{"id": 1}], "events": [], "purchases": []}]
    )
    assert orjson.loads(packed.body) == {"attributes": [{"id": 1}]}


def test_nobodys_objects_are_counted_as_none():
    assert pack(COMBINED, [{"attributes": []}]).item_count == 0


def test_one_person_alone_owns_every_object():
    packed = pack(ONE, [{"attributes": [{}], "recipients": [{}, {}], "a": 1}])
    assert packed.item_count == 1
    assert packed.owners == {"attributes": [0], "recipients": [0, 0]}
    assert pack(ONE, [[1, 2]]).body == b"[1,2]"


def test_one_request_each_takes_one_person():
    with pytest.raises(ValueError, match="one request for each person"):
        pack(ONE, [{}, {}])


@pytest.mark.parametrize(
    ("plan", "bodies"),
    [
        (COMBINED, [{"attributes": [{"a": 1}] * 40, "events": [{"a": 1}] * 36}]),
        (EACH, [{"attributes": [{"a": 1}] * 76}]),
        (
            BatchPlan(arrays=("attributes",), max_bytes=20),
            [{"attributes": [{"a": "b"}]}],
        ),
        (COMBINED, [{"attributes": [{"a": "x" * 2_000_000}]}] * 2),
    ],
    ids=["combined", "each", "bytes", "default bytes"],
)
def test_too_much_for_one_request_is_an_error(plan, bodies):
    with pytest.raises(TooBigError, match="are too many: one request takes"):
        pack(plan, bodies)


@pytest.mark.parametrize(
    ("plan", "bodies", "packed"),
    [
        (COMBINED, [{"purchases": [None, {"a": 1}, None]}], {"purchases": [{"a": 1}]}),
        (
            COMBINED,
            [{"events": [{"a": 1}]}, {"events": [None, {"a": 2}]}],
            {"events": [{"a": 1}, {"a": 2}]},
        ),
        (ONE, [{"recipients": [None, {"a": 1}]}], {"recipients": [{"a": 1}]}),
        # A list that holds no objects of people may have its nulls.
        (ONE, [{"tags": [None, "a"]}], {"tags": [None, "a"]}),
    ],
    ids=repr,
)
def test_a_null_among_the_objects_is_no_object(plan, bodies, packed):
    found = pack(plan, bodies, ["purchases", "events", "recipients"])
    assert orjson.loads(found.body) == packed
    for array, items in packed.items():
        assert len(found.owners[array]) == len(items)


def test_75_in_each_array_are_allowed_where_each_is_counted():
    body = {"attributes": [{"a": 1}] * 75, "events": [{"a": 1}] * 75}
    assert pack(EACH, [body]).item_count == 150


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), [1, {"x": float("nan")}]]
)
def test_nan_never_becomes_null(value):
    with pytest.raises(ValueError, match="NaN"):
        pack(COMBINED, [{"attributes": [{"a": value}]}])


def test_a_null_that_was_meant_is_sent():
    assert (
        pack(COMBINED, [{"attributes": [{"a": None}]}]).body
        == b'{"attributes":[{"a":null}]}'
    )


def test_what_json_has_not_is_an_error():
    with pytest.raises(ValueError, match="cannot be written"):
        pack(COMBINED, [{"attributes": [{"a": "\ud800"}]}])
