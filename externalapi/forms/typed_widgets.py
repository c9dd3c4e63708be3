"""Inputs of the browser for each type of parameter; none of them loses what was typed.

A browser's number and date inputs show nothing where the value is not one: such a value
comes back in a plain input, beside the words that say what is wrong with it.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from django import forms
from django.utils import timezone

from externalapi.template.parameters import COERCE, Parameter, ParameterType

_EXAMPLES = {
    ParameterType.INTEGER: "42",
    ParameterType.NUMBER: "19.90",
    ParameterType.DATETIME: "2025-01-31T09:30:00Z",
    ParameterType.LIST: '["a", "b"]',
    ParameterType.OBJECT: '{"a": 1}',
}


def example_of(parameter: Parameter) -> str:
    """Return an example of a value: the author's, else one of its type, or ""."""
    return parameter.example or _EXAMPLES.get(parameter.type, "")


def widget_of(parameter: Parameter) -> forms.Widget:
    """Return the input for a parameter's values."""
    if parameter.allowed:
        return ChoiceInput(parameter.allowed)
    if parameter.type is ParameterType.BOOLEAN:
        return ChoiceInput(("true", "false"))
    attrs = {"autocomplete": "off", "spellcheck": "false"}
    if example := example_of(parameter):
        attrs["placeholder"] = example
    match parameter.type:
        case ParameterType.INTEGER:
            return NumberInput(attrs={**attrs, "step": "1", "inputmode": "numeric"})
        case ParameterType.NUMBER:
            return NumberInput(attrs={**attrs, "step": "any", "inputmode": "decimal"})
        case ParameterType.DATETIME:
            return MomentInput(attrs={**attrs, "step": "1"})
        case ParameterType.LIST | ParameterType.OBJECT:
            return forms.Textarea(attrs={**attrs, "rows": "3"})
    return forms.TextInput(attrs=attrs)


class ChoiceInput(forms.Select):
    """The values that are allowed, none, and whatever else was typed before."""

    def __init__(self, allowed: Sequence[str]) -> None:
        super().__init__(choices=[("", "—"), *((one, one) for one in allowed)])

    def optgroups(self, name: str, value: Any, attrs: Any = None) -> Any:
        known = {str(code) for code, _ in self.choices}
        groups = super().optgroups(name, value, attrs)
        for typed in value:
            if typed and typed not in known:
                label = f"{typed} (not allowed)"
                option = self.create_option(name, typed, label, True, len(groups))
                groups.append((None, [option], len(groups)))
        return groups


class NumberInput(forms.NumberInput):
    def get_context(self, name: str, value: Any, attrs: Any) -> dict[str, Any]:
        context = super().get_context(name, value, attrs)
        if value and not _is(ParameterType.NUMBER, value):
            context["widget"]["type"] = "text"
        return context


class MomentInput(forms.DateTimeInput):
    """A date-time picker in the site's time zone; its value is ISO 8601 in UTC."""

    input_type = "datetime-local"

    def format_value(self, value: Any) -> str | None:
        if not value or not _is(ParameterType.DATETIME, value):
            return value or None
        moment = datetime.fromisoformat(str(COERCE[ParameterType.DATETIME](value)))
        local = timezone.localtime(moment).replace(tzinfo=None)
        return local.isoformat(
            timespec="milliseconds" if local.microsecond else "seconds"
        )

    def get_context(self, name: str, value: Any, attrs: Any) -> dict[str, Any]:
        context = super().get_context(name, value, attrs)
        if value and not _is(ParameterType.DATETIME, value):
            context["widget"]["type"] = "text"
        return context

    def value_from_datadict(
        self, data: Mapping[str, Any], files: Any, name: str
    ) -> str | None:
        """The picker's value has no zone: it is the site's, and not UTC."""
        typed: str | None = data.get(name)
        try:
            moment = datetime.fromisoformat(typed or "")
            if moment.tzinfo is None:
                aware = timezone.make_aware(moment).astimezone(UTC)
                return str(COERCE[ParameterType.DATETIME](aware))
        except (ValueError, OverflowError):
            pass
        return typed


def _is(kind: ParameterType, value: Any) -> bool:
    try:
        COERCE[kind](str(value))
    except ValueError:
        return False
    return True
