"""The short way and the long way give the same, whatever the data."""

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engagements.personalization.columns import Group, through
from engagements.personalization.liquid import compile_value
from engagements.personalization.renderer import _evaluated, _fallback
from externalapi.definitions.compiled import _reader
from externalapi.template.parameters import Parameter, ParameterType

ABSENT = object()
# What jsonb can hold, and what looks like a value of each type.
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
MOMENTS = st.datetimes().map(lambda at: f"{at.replace(microsecond=0).isoformat()}Z")
NEARLY_MOMENTS = st.from_regex(
    r"[0-9]{4}-[01W][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9]Z", fullmatch=True
)
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**64), 2**65),
    # What a number of thousands of digits is read as.
    st.floats(allow_nan=False),
    TEXTS,
    st.sampled_from(
        ["", "true", "0", "12", "1e3", "2025-W01-1T09:30:00Z", "x" * 30_000]
    ),
    MOMENTS,
    NEARLY_MOMENTS,
    st.lists(st.integers(), max_size=2),
    st.dictionaries(TEXTS, st.integers(), max_size=2),
)
PATHS = ("profile.seen", "event.properties.seen")


@given(
    values=st.lists(VALUES | st.just(ABSENT), min_size=1, max_size=3),
    kind=st.sampled_from(ParameterType),
    path=st.sampled_from(PATHS),
    default=st.sampled_from([None, "", "there", "7", "true"]),
    is_required=st.booleans(),
)
def test_the_short_way_gives_what_the_long_way_gives(
    values, kind, path, default, is_required
):
    try:
        reader = _reader(Parameter(name="It", type=kind, required=is_required))
    except ValueError:
        return
    source = (
        f'{{{{ {path} | default: "{default}" }}}}'
        if default is not None
        else f"{{{{ {path} }}}}"
    )
    compiled = compile_value(source)
    slow = _evaluated(reader, compiled)
    fast = through(
        compiled.path,
        reader,
        slow,
        has_default=compiled.has_default,
        fallback=_fallback(reader, compiled),
    )
    people = [{} if value is ABSENT else {"seen": value} for value in values]
    group = Group(
        shared={}, profiles=people, events=[{"properties": own} for own in people]
    )
    found, gaps = fast(group)

    for position in range(len(values)):
        expected = outcome(slow, group.context(position))
        assert of_one(found, gaps, position) == expected


def of_one(found, gaps, position):
    if position not in gaps:
        return type(found[position]), found[position]
    error = gaps[position]
    return (type(None), None) if error is None else (type(error), str(error))


def outcome(source, context):
    try:
        result = source(context)
    except ValueError as e:
        return type(e), str(e)
    return type(result), result


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (ParameterType.TEXT, ["Ann", "Bea"]),
        (ParameterType.INTEGER, [7, -3]),
        (ParameterType.NUMBER, [7, 0.5]),
        (ParameterType.BOOLEAN, [True, False]),
        (ParameterType.DATETIME, ["2026-01-31T09:30:05Z", "2024-02-29T00:00:00Z"]),
    ],
)
def test_the_short_way_is_taken_where_the_values_fit(kind, values):
    reader = SimpleNamespace(parameter=Parameter(name="It", type=kind))
    column = through(("profile", "it"), reader, never)
    group = Group(
        shared={}, profiles=[{"it": value} for value in values], events=[{}, {}]
    )
    assert column(group) == (values, {})


def never(context):
    raise AssertionError("the long way")
