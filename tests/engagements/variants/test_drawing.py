"""Who gets which variant: by a salt of its own, the same person always the same."""

from collections import Counter

import pytest

from engagements.guards import holdout
from engagements.variants import drawing
from tests.engagements.variants.conftest import HALF, variants

PEOPLE = range(1, 10_001)


def spread(count: float, share: float) -> float:
    """Five standard deviations."""
    return float(5 * (count * share * (1 - share)) ** 0.5)


@pytest.mark.parametrize("shares", [(50,), (1,), (33, 33), (10, 20, 30, 5)])
def test_each_share_is_met_on_the_average(shares):
    its = variants(*((share, {}) for share in shares))
    found = Counter(drawing.numbers(its, 7, PEOPLE).values())
    for one in its.variants:
        share = one.share / 100
        missed = abs(found[one.number] - len(PEOPLE) * share)
        assert missed < spread(len(PEOPLE), share)


def test_who_is_held_out_says_nothing_of_who_gets_what():
    """One hash for both would give all of the held out people the same variant."""
    out = holdout.held_out(PEOPLE, 10, holdout.own_salt(7))
    found = Counter(drawing.numbers(HALF, 7, out).values())
    assert abs(len(out) - 1_000) < spread(10_000, 0.1)
    for number in (1, 2):
        assert abs(found[number] - len(out) / 2) < spread(len(out), 0.5)


def test_each_engagement_draws_by_itself():
    first = drawing.numbers(HALF, 1, PEOPLE)
    second = drawing.numbers(HALF, 2, PEOPLE)
    both = sum(first[id] == second[id] for id in PEOPLE)
    assert abs(both - 5_000) < spread(10_000, 0.5)


def test_a_person_is_drawn_alone_as_among_others():
    among = drawing.numbers(HALF, 7, PEOPLE)
    for person in range(1, 500):
        assert drawing.number(HALF, 7, person) == among[person]


def test_why_says_where_somebody_is():
    at = drawing.hundredth(7, 1)
    assert drawing.why(HALF, 7, 1) == (
        f"Drawn by chance, and always the same: they are in hundredth {at + 1} of all"
        " people, one of the 50 that get it."
    )
