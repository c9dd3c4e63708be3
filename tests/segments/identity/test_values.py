"""The first that is said of somebody is written at once, and as by its parts."""

from hypothesis import given
from hypothesis import strategies as st

from segments.identity.values import Values

NAMES = st.sampled_from(["email", "phone", "plan", "city"])
SAID = st.dictionaries(NAMES, st.sampled_from([None, "", 1, True, "a", ["x"]]))
STAMP = [5, "m5", 1]


def known(values: Values):
    """What is there and what was taken away, each with its stamp."""
    return {n: (values.data.get(n), values.stamp(n)) for n in values.names()}


@given(SAID, st.sets(st.sampled_from(["email", "phone"])), SAID)
def test_at_once_is_as_one_by_one(said, typed, later):
    raw = {name: f"{name} typed" for name in typed & said.keys()}
    at_once, one_by_one = Values(), Values()
    at_once.learn(said, STAMP, 1, raw)
    for name, value in said.items():
        stamp = [*STAMP, raw[name]] if name in raw else STAMP
        one_by_one._put(name, value, stamp)
    assert known(at_once) == known(one_by_one)
    changes = at_once.changed, at_once.is_stamped
    assert changes == (one_by_one.changed, one_by_one.is_stamped)
    for values in (at_once, one_by_one):
        values.tidy()
        values.learn(later, [4, "m4", 1], 1, {})
        values.learn(later, [6, "m6", 1], 1, {})
        values.tidy()
    assert known(at_once) == known(one_by_one)


WHOLE = st.dictionaries(
    NAMES, st.sampled_from(["", 1, 1.0, True, "a", ["x"]]), min_size=1
)


@given(WHOLE, WHOLE, st.integers(3, 7))
def test_all_said_anew_is_as_one_by_one(before, said, at):
    at_once, one_by_one = Values(), Values()
    for values in (at_once, one_by_one):
        values.learn(before, STAMP, 1, {})
        values.changed, values.is_stamped = set(), False
    stamp = [at, "m6", 2]
    at_once.learn(said, stamp, 1, {})
    for name, value in said.items():
        one_by_one._put(name, value, stamp)
    at_once.tidy()
    one_by_one.tidy()
    assert (at_once.data, at_once.times) == (one_by_one.data, one_by_one.times)
    assert at_once.changed == one_by_one.changed
    assert at_once.is_stamped == one_by_one.is_stamped
