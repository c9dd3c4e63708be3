from datetime import UTC, datetime, timedelta, timezone

import pytest

from externalapi.template.parameters import Level, Parameter, ParameterType


def coerce(type, value):
    return Parameter(name="P", type=ParameterType(type)).coerce(value)


@pytest.mark.parametrize(
    ("type", "value", "expected"),
    [
        ("text", "Ada", "Ada"),
        ("text", " spaces stay ", " spaces stay "),
        ("text", 42, "42"),
        ("text", 1.5, "1.5"),
        ("text", True, "true"),
        ("text", "Zoë 🎈", "Zoë 🎈"),
        ("integer", 42, 42),
        ("integer", "42", 42),
        ("integer", " -7 ", -7),
        ("integer", 3.0, 3),
        ("number", "3.50", 3.5),
        ("number", "3", 3),
        ("number", "1e3", 1000.0),
        ("number", ".5", 0.5),
        ("number", 2, 2),
        ("boolean", True, True),
        ("boolean", "Yes", True),
        ("boolean", "false", False),
        ("boolean", 0, False),
        ("datetime", "2025-01-31T09:30:00Z", "2025-01-31T09:30:00Z"),
        ("datetime", "2025-01-31T09:30:00+05:30", "2025-01-31T04:00:00Z"),
        ("datetime", "2025-01-31 09:30", "2025-01-31T09:30:00Z"),
        ("datetime", "2025-01-31", "2025-01-31T00:00:00Z"),
        ("datetime", "2025-01-31T09:30:00.123456Z", "2025-01-31T09:30:00.123Z"),
        ("datetime", datetime(2025, 1, 31, 9, tzinfo=UTC), "2025-01-31T09:00:00Z"),
        (
            "datetime",
            datetime(2025, 1, 31, 9, tzinfo=timezone(timedelta(hours=2))),
            "2025-01-31T07:00:00Z",
        ),
        ("text", datetime(2025, 1, 31, 9, tzinfo=UTC), "2025-01-31T09:00:00Z"),
        ("list", ["a", 1], ["a", 1]),
        ("list", '["a", 1]', ["a", 1]),
        ("object", {"a": {"b": None}}, {"a": {"b": None}}),
        ("object", '{"a": 1}', {"a": 1}),
    ],
    ids=lambda value: repr(value)[:60],
)
def test_a_value_becomes_its_parameters_type(type, value, expected):
    result = coerce(type, value)
    assert result == expected
    assert result.__class__ is expected.__class__


@pytest.mark.parametrize(
    ("type", "value", "message"),
    [
        ("number", "abc", "“abc” is not a number"),
        ("number", "1_000", "“1_000” is not a number"),
        ("number", "nan", "“nan” is not a number"),
        ("number", True, "“True” is not a number"),
        ("number", float("nan"), "“nan” is too large a number"),
        ("number", "1e999", "“1e999” is too large a number"),
        ("number", 10**30, "is too large a number"),
        ("number", "9" * 5000, "9…” is too large a number"),
        ("integer", "3.5", "“3.5” is not a whole number"),
        ("integer", 3.5, "“3.5” is not a whole number"),
        ("integer", "9223372036854775808", "is too large a number"),
        ("boolean", "perhaps", "“perhaps” is not true or false"),
        ("boolean", 2, "“2” is not true or false"),
        ("datetime", "tomorrow", "“tomorrow” is not a date and time"),
        ("datetime", "0001-01-01T00:00:00+14:00", "is not a date and time"),
        ("datetime", 5, "“5” is not a date and time"),
        ("list", "a, b", "“a, b” is not a list"),
        ("list", {"a": 1}, "is not a list"),
        ("object", "[1]", "is not an object"),
        ("object", {"a": float("nan")}, "“nan” is not a number"),
        ("object", '{"a": NaN}', "is not an object"),
        ("text", {"a": 1}, "is not a text"),
        ("text", None, "is not a text"),
        ("text", "a\0b", "NUL character"),
        ("text", "\ud800", "lone surrogate"),
        ("object", {"a": ["\ud800"]}, "lone surrogate"),
        ("text", "x" * 200_000, "longer than 100 KB"),
        ("list", ["x" * 60_000, "y" * 60_000], "longer than 100 KB"),
    ],
    ids=lambda value: repr(value)[:60],
)
def test_a_value_of_another_type_is_an_error_in_plain_words(type, value, message):
    with pytest.raises(ValueError) as error:
        coerce(type, value)
    assert message in str(error.value)
    assert len(str(error.value)) < 200


def test_nesting_has_an_end():
    deep = []
    for _ in range(30):
        deep = [deep]
    with pytest.raises(ValueError, match="levels deep"):
        coerce("list", deep)


def test_a_parameter_survives_storing():
    parameter = Parameter(
        name="Event Time",
        type=ParameterType.DATETIME,
        level=Level.FIXED,
        required=False,
        default="",
        value="2025-01-01",
    )
    stored = parameter.to_dict()
    assert stored["type"] == "datetime"
    assert stored["level"].__class__ is str
    assert Parameter.from_dict(stored) == parameter
    assert Parameter.from_dict({"name": "A"}) == Parameter(name="A")
