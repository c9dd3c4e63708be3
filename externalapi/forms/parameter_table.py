"""The table of parameters on an External API's page: a form field of rows."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from externalapi.template.parameter_checks import checked
from externalapi.template.parameters import ASKED_TYPES, Level, Parameter
from externalapi.template.parser import MAX_PLACEHOLDERS
from externalapi.template.transforms import Transform
from lemnisk_braze.lib.json_types import JSON

# The parts of a row that are typed or chosen, beside the tick.
TYPED = (
    "name",
    "label",
    "description",
    "type",
    "transform",
    "level",
    "default",
    "value",
    "example",
    "allowed",
)


class ParameterTable(forms.Widget):
    """One row a parameter; its inputs are named `parameters-0-name` and so on."""

    template_name = "externalapi/parameter_table.html"
    use_fieldset = True

    def __init__(self, attrs: dict[str, Any] | None = None) -> None:
        super().__init__(attrs)
        # By the parameter's name: what is wrong in its row.
        self.row_errors: dict[str, str] = {}

    def value_from_datadict(
        self, data: Mapping[str, Any], files: Any, name: str
    ) -> list[dict[str, Any]] | None:
        if f"{name}-count" not in data:
            return None
        return [
            self._row(data, f"{name}-{index}")
            for index in range(_count(data[f"{name}-count"]))
        ]

    def _row(self, data: Mapping[str, Any], prefix: str) -> dict[str, Any]:
        row: dict[str, Any] = {
            part: data.get(f"{prefix}-{part}", "").replace("\r\n", "\n")
            for part in TYPED
        }
        row["transform"] = row["transform"] or Transform.NONE
        return row | {"required": f"{prefix}-required" in data}

    def get_context(
        self, name: str, value: Any, attrs: dict[str, Any] | None
    ) -> dict[str, Any]:
        context = super().get_context(name, value, attrs)
        rows = [
            {**_as_row(row), "prefix": f"{name}-{index}"}
            for index, row in enumerate(value or ())
        ]
        for row in rows:
            row["error"] = self.row_errors.get(str(row["name"]), "")
            row["facts"] = _facts(row)
        context["rows"] = rows
        context["types"] = [(str(kind), kind.label) for kind in ASKED_TYPES]
        context["levels"] = [(str(level), level.label) for level in Level]
        context["transforms"] = [(str(one), one.label) for one in Transform]
        return context

    def value_omitted_from_data(
        self, data: Mapping[str, Any], files: Any, name: str
    ) -> bool:
        return f"{name}-count" not in data


class ParametersField(forms.Field):
    """Its value is a tuple of parameters with their settings."""

    widget = ParameterTable

    def clean(self, value: Any) -> tuple[Parameter, ...]:
        assert isinstance(self.widget, ParameterTable)
        self.widget.row_errors = {}
        parameters = []
        for row in value or ():
            try:
                parameters.append(read_row(row))
            except ValueError as e:
                self.widget.row_errors[row["name"]] = str(e)
        if self.widget.row_errors:
            raise ValidationError("Correct the parameters that are marked below.")
        return tuple(parameters)

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return [read_row(row) for row in data or ()] != list(initial or ())
        except ValueError:
            return True


def read_row(row: Mapping[str, Any]) -> Parameter:
    """Return the parameter of a row; raises ValueError with a sentence."""
    if row["type"] not in ASKED_TYPES or row["level"] not in set(Level):
        raise ValueError("Choose a type and who gives the value.")
    if row["transform"] not in set(Transform):
        raise ValueError("Choose a treatment.")
    words = {name: row[name].strip() for name in ("label", "description", "example")}
    allowed: list[JSON] = [*_lines(row["allowed"])]
    parameter = Parameter.from_dict({**row, **words, "allowed": allowed})
    if parameter.level is Level.FIXED:
        return checked(replace(parameter, default=""), parameter.value)
    return checked(replace(parameter, value=""), parameter.default)


def _as_row(row: Parameter | Mapping[str, Any]) -> dict[str, Any]:
    """A row as the template shows it: what was typed, or what is stored."""
    if not isinstance(row, Parameter):
        return dict(row)
    return {**asdict(row), "allowed": "\n".join(row.allowed)}


def _facts(row: Mapping[str, Any]) -> list[str]:
    """What the closed part of a row holds, in a few words each."""
    found = []
    if row["label"]:
        found.append(f"“{row['label']}”")
    if row["transform"] in set(Transform) - {Transform.NONE}:
        found.append(Transform(row["transform"]).label)
    if count := len(_lines(row["allowed"])):
        found.append(f"{count} allowed value{'' if count == 1 else 's'}")
    return found


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.split("\n") if line.strip()]


def _count(text: str) -> int:
    return min(int(text), MAX_PLACEHOLDERS) if text.isdecimal() else 0
