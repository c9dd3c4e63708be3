"""What Braze makes of a custom attribute's value (data_types; nested attributes)."""

from collections.abc import Mapping

from externalapi.template.parameters import ParameterType
from externalapi.template.spans import Path
from externalapi.vendors.braze.facts import contract
from externalapi.vendors.braze.lint.findings import (
    ATTRIBUTES_PAGE,
    NESTED_PAGE,
    Findings,
    hint,
    warning,
)
from externalapi.vendors.braze.lint.template_values import (
    Unknown,
    Value,
    is_integer,
    is_list,
)

_ARRAY_OPERATORS = frozenset({"add", "remove"})
_OBJECT_OPERATORS = frozenset({"$add", "$remove", "$update"})


def lint_custom(value: Value, path: Path, *, merges: bool) -> Findings:
    """Yield what is to be said about one value; `merges`: _merge_objects is on."""
    if isinstance(value, str):
        yield from _length(value, path)
    elif isinstance(value, list):
        yield from _array(value, path)
    elif isinstance(value, dict) and "inc" in value:
        yield from _increment(value, path)
    elif isinstance(value, dict) and value and value.keys() <= _ARRAY_OPERATORS:
        yield from _members(value, path)
    elif isinstance(value, dict):
        yield from _object(value, path, merges=merges)


def _length(text: str, path: Path) -> Findings:
    if len(text) > contract.MAX_STRING_CHARS:
        yield warning(
            path,
            f"The text is longer than {contract.MAX_STRING_CHARS} characters.",
            "Shorten it; Braze does not keep all of it.",
            ATTRIBUTES_PAGE,
        )


def _array(items: list[Value], path: Path) -> Findings:
    if len(items) > contract.MAX_ARRAY_ITEMS:
        yield warning(
            path,
            f"Braze keeps {contract.MAX_ARRAY_ITEMS} elements of an array at most; "
            "the oldest are dropped.",
            "Send fewer.",
            ATTRIBUTES_PAGE,
        )
    if any(isinstance(item, dict | list) for item in items):
        yield from _nested(items, path)


def _increment(value: Mapping[str, Value], path: Path) -> Findings:
    by = value["inc"]
    if len(value) > 1:
        yield warning(
            path,
            "“inc” stands alone in its object.",
            "Take the others out.",
            ATTRIBUTES_PAGE,
        )
    if not is_integer(by):
        advice = "Write a whole number, such as 1."
        if isinstance(by, Unknown):
            advice = f"Make the parameter “{by.name}” a whole number."
        yield warning(
            (*path, "inc"),
            "“inc” adds a whole number; Braze ignores anything else.",
            advice,
            ATTRIBUTES_PAGE,
        )


def _members(value: Mapping[str, Value], path: Path) -> Findings:
    for operator, items in value.items():
        if not is_list(items):
            yield warning(
                (*path, operator),
                f"“{operator}” takes a list; Braze ignores anything else.",
                'Write ["a", "b"], or make the parameter a List.',
                ATTRIBUTES_PAGE,
            )


def _object(value: Mapping[str, Value], path: Path, *, merges: bool) -> Findings:
    uses_operators = bool(value) and value.keys() <= _OBJECT_OPERATORS
    if "$update" in value and not merges:
        yield warning(
            path,
            "Without “_merge_objects” $update overwrites the whole objects.",
            'Add "_merge_objects": true beside the identifier.',
            NESTED_PAGE,
        )
    elif not merges and not uses_operators and "$time" not in value:
        yield hint(
            path,
            "This replaces the whole object that the profile has.",
            'Add "_merge_objects": true beside the identifier to change only '
            "what is sent.",
            NESTED_PAGE,
        )
    yield from _nested(dict(value), path)


def _nested(value: Value, path: Path) -> Findings:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _nested_key(key, (*path, key))
            yield from _nested_value(item, (*path, key), is_time=key == "$time")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _nested_value(item, (*path, index), is_time=False)


def _nested_key(key: str, path: Path) -> Findings:
    # Operators and $time are Braze's own.
    bad = contract.NESTED_KEY_FORBIDDEN & set(key.removeprefix("$"))
    if bad or not 0 < len(key) <= contract.MAX_NAME_CHARS:
        yield warning(
            path,
            f"“{key[:60]}” cannot be a key inside an object: Braze drops all nested "
            "updates of the request.",
            "Write letters, digits and _ alone.",
            NESTED_PAGE,
        )


def _nested_value(value: Value, path: Path, *, is_time: bool) -> Findings:
    if value is None:
        yield warning(
            path,
            "null inside an object: Braze drops all nested updates of the request.",
            "Leave the key out, or write an optional parameter.",
            NESTED_PAGE,
        )
    elif isinstance(value, Unknown):
        if value.type is ParameterType.DATETIME and not is_time:
            yield hint(
                path,
                "Inside an object a date is a text to Braze.",
                'Write {"$time": {{' + value.name + "}}} to filter by it.",
                NESTED_PAGE,
            )
    elif isinstance(value, str):
        yield from _length(value, path)
    else:
        yield from _nested(value, path)
