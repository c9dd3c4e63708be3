"""A body's tree with what is known of each placeholder: its type, or its fixed value."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from externalapi.template.parameters import Level, Parameter, ParameterType
from externalapi.template.placeholders import find, whole_name
from lemnisk_braze.lib.json_types import JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """A value that each engagement gives; an optional one may be left out."""

    name: str
    type: ParameterType
    is_optional: bool = False


Value: TypeAlias = (
    dict[str, "Value"] | list["Value"] | str | int | float | bool | Unknown | None  # noqa: UP037
)


def with_types(tree: JSON, parameters: Sequence[Parameter]) -> Value:
    """Return the tree with each placeholder as an Unknown; a fixed one as its value.

    A text with a placeholder inside is an unknown text.
    """
    return _value(tree, {parameter.name: parameter for parameter in parameters})


def is_text(value: Value) -> bool:
    return _is(value, str, {ParameterType.TEXT, ParameterType.DATETIME})


def is_number(value: Value) -> bool:
    if isinstance(value, bool):
        return False
    return _is(value, (int, float), {ParameterType.INTEGER, ParameterType.NUMBER})


def is_integer(value: Value) -> bool:
    return not isinstance(value, bool) and _is(value, int, {ParameterType.INTEGER})


def is_boolean(value: Value) -> bool:
    return _is(value, bool, {ParameterType.BOOLEAN})


def is_list(value: Value) -> bool:
    return _is(value, list, {ParameterType.LIST})


def is_object(value: Value) -> bool:
    return _is(value, dict, {ParameterType.OBJECT})


def may_be_missing(value: Value) -> bool:
    return isinstance(value, Unknown) and value.is_optional


def _is(
    value: Value,
    known: type | tuple[type, ...],
    types: set[ParameterType],
) -> bool:
    if isinstance(value, Unknown):
        return value.type in types or value.type is ParameterType.ANY
    return isinstance(value, known)


def _value(tree: JSON, parameters: Mapping[str, Parameter]) -> Value:
    if isinstance(tree, dict):
        return {key: _value(item, parameters) for key, item in tree.items()}
    if isinstance(tree, list):
        return [_value(item, parameters) for item in tree]
    name = whole_name(tree)
    if name is not None:
        return _of_parameter(parameters.get(name) or Parameter(name=name))
    if isinstance(tree, str) and (names := find(tree)):
        return Unknown(name=names[0], type=ParameterType.TEXT)
    return tree


def _of_parameter(parameter: Parameter) -> Value:
    if parameter.level is Level.FIXED and parameter.value:
        try:
            return _value(parameter.coerce(parameter.value), {})
        except ValueError:
            pass
    return Unknown(
        name=parameter.name,
        type=parameter.type,
        is_optional=not parameter.required and not parameter.default,
    )
