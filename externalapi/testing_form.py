"""The inputs of the Test API page: one for each parameter, typed."""

from typing import Any

from django import forms
from django.utils import timezone

from externalapi.parameters import Level, Parameter, ParameterType

_BOOLEANS = [("", "—"), ("true", "true"), ("false", "false")]
_EXAMPLES = {
    ParameterType.INTEGER: "42",
    ParameterType.NUMBER: "19.90",
    ParameterType.DATETIME: "2025-01-31T09:30:00Z",
    ParameterType.LIST: '["a", "b"]',
    ParameterType.OBJECT: '{"a": 1}',
}


class ParameterField(forms.CharField):
    """A value as typed: it is checked, and sent as the parameter's type later."""

    def __init__(self, parameter: Parameter) -> None:
        self.parameter = parameter
        is_needed = parameter.required and not parameter.default
        super().__init__(
            label=parameter.name,
            required=is_needed,
            strip=False,
            widget=_widget(parameter),
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
        words = [self.parameter.type.label]
        if self.parameter.level is Level.IDENTIFIER:
            words.append("the channel identifier")
        if not self.required:
            words.append("optional")
        return ", ".join(words)


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
    return str(parameter.coerce(timezone.now().replace(microsecond=0)))


def _widget(parameter: Parameter) -> forms.Widget:
    if parameter.type is ParameterType.BOOLEAN:
        return forms.Select(choices=_BOOLEANS)
    attrs = {"autocomplete": "off", "spellcheck": "false"}
    if example := _EXAMPLES.get(parameter.type):
        attrs["placeholder"] = example
    if parameter.type in (ParameterType.LIST, ParameterType.OBJECT):
        return forms.Textarea(attrs={**attrs, "rows": "3"})
    if parameter.type in (ParameterType.INTEGER, ParameterType.NUMBER):
        attrs["inputmode"] = "decimal"
    return forms.TextInput(attrs=attrs)
