"""The inputs of the Test API page: one for each parameter, typed."""

from typing import Any

from django import forms
from django.utils import timezone

from externalapi.forms.typed_widgets import widget_of
from externalapi.template.parameters import (
    COERCE,
    Level,
    Parameter,
    ParameterType,
    as_text,
)
from externalapi.template.transforms import Transform
from lemnisk_braze.lib import database_clock


class ParameterField(forms.CharField):
    """A value as typed: it is checked, and sent as the parameter's type later."""

    def __init__(self, parameter: Parameter) -> None:
        self.parameter = parameter
        is_needed = parameter.required and not parameter.default
        super().__init__(
            label=parameter.title,
            help_text=_description(parameter),
            required=is_needed,
            strip=False,
            widget=widget_of(parameter),
            error_messages={"required": "Type a value for the test."},
        )

    def clean(self, value: Any) -> str:
        typed: str = super().clean(value)
        if typed:
            try:
                self.parameter.coerce(typed)
            except ValueError as e:
                message = str(e)
                raise forms.ValidationError(
                    f"{message[:1].upper()}{message[1:]}."
                ) from e
        return typed

    @property
    def hint(self) -> str:
        """What the value is, in one line."""
        parameter = self.parameter
        words = [parameter.type.label]
        if parameter.type is ParameterType.DATETIME:
            words = [f"Date and time in {timezone.get_current_timezone_name()}"]
        if parameter.level is Level.IDENTIFIER:
            words.append("the channel identifier")
        words.append("required" if self.required else "optional")
        if parameter.default:
            words.append(f"default {parameter.default}")
        if parameter.transform is not Transform.NONE:
            words.append(f"sent as: {parameter.transform.label}")
        return ", ".join(words)


def _description(parameter: Parameter) -> str:
    """What the author says of it, with its name where people read a label."""
    named = f"{{{{{parameter.name}}}}}" if parameter.label else ""
    return " ".join(filter(None, (parameter.description, named)))


class TestConfigurationForm(forms.Form):
    """Fields are named p0, p1, …: a parameter's name is any text."""

    # pytest collects classes by this name.
    __test__ = False

    def __init__(self, parameters: tuple[Parameter, ...], *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.names: dict[str, str] = {}
        for index, parameter in enumerate(parameters):
            if parameter.level is not Level.FIXED:
                self.names[parameter.name] = f"p{index}"
                self.fields[f"p{index}"] = ParameterField(parameter)

    @property
    def values(self) -> dict[str, str]:
        """The valid values by parameter name, as typed."""
        return {name: self.cleaned_data[field] for name, field in self.names.items()}

    def shown(self, name: str, value: str) -> str:
        """Return what a parameter's input holds to mean a value."""
        field = self.fields[self.names[name]]
        assert isinstance(field, ParameterField)
        if field.parameter.type is ParameterType.BOOLEAN:
            return as_text(COERCE[ParameterType.BOOLEAN](value))
        if isinstance(field.widget, forms.Select):
            return value
        return str(field.widget.format_value(value) or "")

    def fields_by_parameter(self) -> dict[str, forms.BoundField]:
        return {name: self[field] for name, field in self.names.items()}


def initial_values(
    parameters: tuple[Parameter, ...], typed: dict[str, str]
) -> dict[str, str]:
    """Return what the inputs begin with: what was typed last, else the default."""
    return {
        f"p{index}": typed.get(parameter.name) or _suggested(parameter)
        for index, parameter in enumerate(parameters)
    }


def _suggested(parameter: Parameter) -> str:
    if parameter.default or parameter.type is not ParameterType.DATETIME:
        return parameter.default
    return str(parameter.coerce(database_clock.now().replace(microsecond=0)))
