"""Shares: exact in hundredths, and with other shares as few people move as can be."""

import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engagements.variants import plan
from engagements.variants.plan import LETTERS, NONE, Variant


@st.composite
def shares(draw) -> dict[str, int]:
    """Whole percents of at least one each, of some letters, that sum to 100."""
    letters = ["A", *sorted(draw(st.sets(st.sampled_from("BCDE"), min_size=1)))]
    cuts = draw(
        st.sets(
            st.integers(1, 99), min_size=len(letters) - 1, max_size=len(letters) - 1
        )
    )
    edges = [0, *sorted(cuts), 100]
    return {
        letter: end - begin
        for letter, begin, end in zip(letters, edges, edges[1:], strict=False)
    }


def made(shares, before=NONE):
    return plan.made([Variant(n, n, share) for n, share in shares.items()], before)


@given(st.lists(shares(), min_size=1, max_size=6))
def test_shares_are_exact_and_no_more_hundredths_move_than_must(history):
    before = NONE
    for wanted in history:
        now = made(wanted, before)
        assert Counter(now.hundredths) == wanted
        old = before.hundredths or "A" * 100
        had = Counter(old)
        must = sum(max(share - had[letter], 0) for letter, share in wanted.items())
        moved = sum(a != b for a, b in zip(old, now.hundredths, strict=True))
        assert moved == must
        before = now


def test_one_alone_is_no_variant():
    assert not plan.made([Variant("A", "Only", 100)])
    assert plan.made([]).as_json() == {}
    assert plan.read({}) is NONE


@given(shares())
def test_what_is_stored_is_read_back(wanted):
    its = made(wanted)
    assert plan.read(json.loads(json.dumps(its.as_json()))) == its


def test_values_that_a_variant_does_not_name_are_those_of_a():
    its = plan.made([Variant("A", "x", 40), Variant("B", "y", 60, {"Plan": "pro"})])
    own = {"Plan": "free", "Name": "{{ profile.first_name }}"}

    assert its.by_number(own) == {1: own, 2: {**own, "Plan": "pro"}}
    assert NONE.by_number(own) == {}
    assert list(NONE.each(own)) == [own]


def test_a_winner_is_the_only_one_in_use():
    its = plan.made([Variant("A", "x", 40), Variant("B", "y", 60, {"Plan": "pro"})])
    won = plan.replace(its, winner="B")

    assert won.by_number({}) == {2: {"Plan": "pro"}}
    assert {won.at(n) for n in range(100)} == {2}
    assert plan.in_words(won) == "B “y” for everybody: it was chosen the winner"
    assert plan.in_words(its) == "A “x” 40 %, B “y” 60 %"


@pytest.mark.parametrize(
    ("now", "drawn"),
    [
        # Other shares: who is tried again is drawn as before.
        ({"A": 90, "B": 10}, {"A": 50, "B": 50}),
        # What they had is gone.
        ({"A": 90, "C": 10}, {"A": 90, "C": 10}),
    ],
)
def test_who_is_tried_again_is_drawn_as_before_where_that_can_be(now, drawn):
    before = made({"A": 50, "B": 50})
    after = made(now, before)
    kept = plan.kept(before, after)
    assert Counter(kept.hundredths) == drawn
    assert kept.variants == after.variants


def test_a_winner_is_also_theirs_who_are_tried_again():
    before = made({"A": 50, "B": 50})
    won = plan.replace(before, winner="A")
    assert plan.kept(before, won) == won
    # And who was sent the winner is sent no other one for being tried again.
    assert set(plan.kept(won, before).hundredths) == {"A"}


def test_names_of_deliveries():
    its = plan.made([Variant("A", "x", 40), Variant("B", "y", 60)])
    assert [its.name(n) for n in (None, 0, 1, 2, 3)] == [
        "",
        "Holdout",
        "A “x”",
        "B “y”",
        "C",
    ]
    assert len(LETTERS) == 5
