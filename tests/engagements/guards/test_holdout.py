"""Whom chance keeps out: always the same, and a larger share only adds."""

import pytest

from engagements.guards import holdout
from engagements.variants import drawing

PEOPLE = range(1, 10_001)


@pytest.mark.parametrize("share", [0.5, 1, 10, 50, 99.5])
def test_a_share_is_that_share(share):
    found = holdout.held_out(PEOPLE, share, "spring")
    expected = len(PEOPLE) * share / 100
    # Five standard deviations.
    spread = 5 * (len(PEOPLE) * share / 100 * (1 - share / 100)) ** 0.5
    assert abs(len(found) - expected) < spread


def test_none_and_all():
    assert holdout.held_out(PEOPLE, 0, "x") == set()
    assert holdout.held_out(PEOPLE, 100, "x") == set(PEOPLE)


def test_another_share_moves_people_at_the_edge_alone():
    shares = [holdout.held_out(PEOPLE, n, "x") for n in (1, 5, 5.5, 40, 90)]
    for small, large in zip(shares, shares[1:], strict=False):
        assert small < large


def test_each_salt_draws_by_itself():
    """One hash for all would keep the same people out of everything."""
    first = holdout.held_out(PEOPLE, 10, holdout.own_salt(1))
    second = holdout.held_out(PEOPLE, 10, holdout.own_salt(2))
    assert 50 < len(first & second) < 150


def test_their_place_says_who_is_kept_out():
    for person in range(1, 200):
        kept = bool(holdout.held_out([person], 30, "x"))
        assert kept is (holdout.place(person, "x") < 30)


@pytest.mark.parametrize("share", [0, 0.001, 12.5, 99.999, 100])
def test_many_are_drawn_as_each_alone(share):
    most = int(share / 100 * drawing.ALL)
    for salt in ("x", "100 % of %d"):
        alone = {id for id in PEOPLE if drawing.drawn(salt, id) < most}
        assert drawing.below(salt, PEOPLE, most) == alone
