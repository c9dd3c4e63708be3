"""People who are hashed side by side have the hashes that each alone has."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engagements.sync import hashes, shape
from engagements.sync.shape import Shape

NAMES = ("external_id", "plan", "city", "score", "_flag", "subscription_groups")
SHAPE = Shape(
    identifiers=("external_id",),
    tags={"plan": b"plan", "city": b"city", "score": b"scor"},
    volatile=frozenset(),
    operated=frozenset(),
)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
    | st.sampled_from(["a\nb", '",\n  "', "7.5 kg", 0.1 + 0.2, "Ω", ""])
)
VALUES = LEAVES | st.lists(LEAVES, max_size=3)
OPERATORS = st.sampled_from([{"inc": 1}, {"add": ["a"]}, {"city": "Bonn", "zip": 1}])
OBJECTS = st.dictionaries(st.sampled_from(NAMES), VALUES | OPERATORS)
# Objects that have the same names, and any.
PEOPLE = st.lists(OBJECTS, max_size=8) | st.lists(
    st.fixed_dictionaries(dict.fromkeys(NAMES, LEAVES)), max_size=8
)


@given(people=PEOPLE)
def test_objects_side_by_side_have_the_hashes_of_each_alone(people):
    alone = [hashes.alone(SHAPE, own) for own in people]

    assert list(hashes.of_objects(SHAPE, people)) == alone


@given(people=PEOPLE)
def test_bodies_side_by_side_have_the_hashes_of_each_alone(people):
    alone = [hashes.of_bodies([own])[0] for own in people]

    assert hashes.of_bodies(people) == alone


@given(people=PEOPLE.filter(bool))
def test_states_of_those_who_are_new_are_what_each_alone_has(people):
    digests = hashes.of_bodies([{"attributes": [own]} for own in people])
    alone = [hashes.alone(SHAPE, own) for own in people]

    found = hashes.of_new(SHAPE, people)

    assert hashes.of_new(SHAPE, people, digests) == found
    if found is not None:
        names, states = found
        assert {own for own, _ in alone} == {names}
        assert states == [d + its[1] for d, its in zip(digests, alone, strict=True)]


def test_states_of_those_who_have_the_same_attributes_are_found_together():
    people = [{"external_id": n, "plan": ["pro"], "score": n / 3} for n in range(3)]

    assert hashes.of_new(SHAPE, people) is not None
    # One has another attribute, an operator, what JSON has not, or nothing that is kept.
    for odd in ({"city": "Bonn"}, {"score": {"inc": 1}}, {"score": {1, 2}}):
        assert hashes.of_new(SHAPE, [*people, {**people[0], **odd}]) is None
    assert hashes.of_new(SHAPE, [{"external_id": "ada"}]) is None


def test_the_noise_of_a_sum_is_no_other_number_beside_others():
    noisy = [{"plan": 0.1 + 0.2}, {"plan": 1.0}]
    plain = [{"plan": 0.3}, {"plan": 1.0}]

    assert hashes.of_objects(SHAPE, noisy) == hashes.of_objects(SHAPE, plain)
    assert hashes.of_bodies(noisy) == hashes.of_bodies(plain)


@pytest.mark.parametrize(
    ("one", "other"), [(5, 5.0), (0, -0.0), ([5, {"a": 1}], [5.0, {"a": 1.0}])]
)
def test_a_number_is_the_same_however_it_is_written(one, other):
    """A program that reads its data anew makes 5.0 of 5; nobody has changed."""
    assert hashes.alone(SHAPE, {"plan": one}) == hashes.alone(SHAPE, {"plan": other})
    assert hashes.of_bodies([{"plan": one}]) == hashes.of_bodies([{"plan": other}])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (5, "5"),
        (5.0, "5.0"),
        (1, True),
        (0, False),
        (0, None),
        (5.5, 5),
        (2**53, 2**53 + 1),
        ([], None),
        ("é", "e\u0301"),
    ],
)
def test_what_braze_tells_apart_is_a_change(one, other):
    assert hashes.alone(SHAPE, {"plan": one}) != hashes.alone(SHAPE, {"plan": other})
    assert hashes.of_bodies([{"plan": one}]) != hashes.of_bodies([{"plan": other}])


@pytest.mark.parametrize("odd", [{1, 2}, 2**80])
def test_what_json_has_not_is_one_persons_alone(odd):
    people = [{"plan": "pro"}, {"plan": odd}, {"plan": "free"}]

    found = hashes.of_objects(SHAPE, people)
    assert [one is None for one in found] == [False, True, False]
    assert [one is None for one in hashes.of_bodies(people)] == [False, True, False]


def test_an_operator_goes_each_time_and_has_no_hash():
    (names, entries), _ = hashes.of_objects(
        SHAPE, [{"plan": "pro", "score": {"inc": 1}}, {"plan": "pro", "score": 7}]
    )

    assert (names.kept, names.always, names.has_values) == (("plan",), ("score",), True)
    first = shape.TAG_BYTES + shape.DIGEST_BYTES
    assert entries[first:] == b"scor" + shape.CHANGED
