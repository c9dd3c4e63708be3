"""The input for a parameter's value: the same for everybody, or a variable.

It is always one that a personalization variable can be typed into. Where only some
values are allowed they are offered, and the page's script makes a choice of them.
"""

from dataclasses import dataclass

from django import forms
from django.forms.boundfield import BoundField

from externalapi.forms.typed_widgets import example_of
from externalapi.template.parameters import Parameter, ParameterType
from externalapi.template.transforms import Transform

_LONG = (ParameterType.LIST, ParameterType.OBJECT)


def choices_of(parameter: Parameter) -> tuple[str, ...]:
    """Return the values that can be chosen; none where any may be typed."""
    if parameter.allowed:
        return parameter.allowed
    return ("true", "false") if parameter.type is ParameterType.BOOLEAN else ()


def list_id(name: str) -> str:
    """Return the id of the element that lists a field's choices."""
    return f"{name}-values"


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterInput:
    """A parameter and the field that asks for its value.

    `if_empty`: what is sent then, in words, where that is not the parameter's to say.
    """

    parameter: Parameter
    field: BoundField
    if_empty: str = ""

    @property
    def hint(self) -> str:
        return hint_of(self.parameter, self.if_empty)

    @property
    def choices(self) -> tuple[str, ...]:
        return choices_of(self.parameter)

    @property
    def list_id(self) -> str:
        return list_id(self.field.html_name)


def value_field(parameter: Parameter, name: str, initial: str) -> forms.CharField:
    """Return the field by this name.

    Whether it may stay empty is the form's to say, with the default in view.
    """
    attrs = {"autocomplete": "off", "spellcheck": "false", "data-value": ""}
    if words := placeholder_of(parameter):
        attrs["placeholder"] = words
    if choices_of(parameter):
        attrs["list"] = list_id(name)
    is_long = parameter.type in _LONG and not parameter.allowed
    # What chooses is laid out over several lines; a line grows with what is in it.
    rows = "3" if is_long else "1"
    return forms.CharField(
        label=parameter.title,
        help_text=parameter.description,
        required=False,
        initial=initial,
        widget=forms.TextInput(attrs=attrs)
        if choices_of(parameter)
        else forms.Textarea(attrs={**attrs, "rows": rows}),
    )


def placeholder_of(parameter: Parameter) -> str:
    """Return what an empty input says: what is sent then, else an example."""
    if parameter.default:
        return f"If empty: {parameter.default}"
    if choices_of(parameter):
        return ""
    example = example_of(parameter)
    return f"For example {example}" if example else ""


def hint_of(parameter: Parameter, if_empty: str = "") -> str:
    """Return type, necessity or default, and treatment, as one line."""
    parts = [parameter.type.label]
    if if_empty or parameter.default:
        parts.append(f"if empty: {if_empty or parameter.default}")
    else:
        parts.append("required" if parameter.required else "optional")
    if parameter.transform is not Transform.NONE:
        parts.append(f"sent as: {parameter.transform.label}")
    return " · ".join(parts)


def with_fallback(value: str) -> str:
    """A value that is one expression, with an empty fallback to be filled in."""
    text = value.strip()
    if not text.endswith("}}") or text.count("{{") != 1 or "default:" in text:
        return value
    return f'{text.removesuffix("}}").rstrip()} | default: "" }}}}'
