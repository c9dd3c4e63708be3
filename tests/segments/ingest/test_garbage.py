"""Circles are looked for less often meanwhile, and as often as before afterwards."""

import gc

import pytest

from segments.ingest import garbage


@pytest.fixture
def thresholds():
    before = gc.get_threshold()
    gc.set_threshold(700, 11, 12)
    yield
    gc.set_threshold(*before)


@pytest.mark.usefixtures("thresholds")
def test_it_is_as_before_whatever_happened():
    with pytest.raises(KeyError), garbage.seldom_collected():
        assert gc.get_threshold() == (garbage.SELDOM, 11, 12)
        raise KeyError
    assert gc.get_threshold() == (700, 11, 12)


@pytest.mark.usefixtures("thresholds")
def test_who_looks_less_often_still_is_left_to_it():
    gc.set_threshold(garbage.SELDOM + 1, 11, 12)
    with garbage.seldom_collected():
        assert gc.get_threshold() == (garbage.SELDOM + 1, 11, 12)
