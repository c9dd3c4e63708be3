"""What differs between two versions of an External API, field by field, in words."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

from django.db.models import Field, Model
from django.utils.text import capfirst

from externalapi.definitions.diff import Row, diff_lines
from externalapi.definitions.renames import by_place, places
from externalapi.definitions.versions import CONTENT, Draft
from externalapi.http.answer_rules import AnswerRules
from externalapi.models import ExternalAPIVersion
from externalapi.template.parameters import Parameter

# What the words of a parameter begin with.
SAID = ("name", "type", "level", "required")


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One field that differs, by the name that the screen has for it."""

    label: str
    rows: tuple[Row, ...]


def changes(old: Draft, new: Draft) -> list[Change]:
    """Return the fields that differ, in the order of the form."""
    renamed = by_place(places(old), places(new))
    return [
        Change(label=label_of(name), rows=_rows(name, before, after, renamed))
        for name in CONTENT
        if (before := readable(name, getattr(old, name)))
        != (after := readable(name, getattr(new, name)))
    ]


def in_words(old: Draft, new: Draft) -> str:
    """Name the fields that differ: "Path, Body"; empty where none does."""
    return ", ".join(change.label for change in changes(old, new))


def label_of(name: str) -> str:
    return capfirst(str(_field(name).verbose_name))


def readable(name: str, value: Any) -> str:
    """Return a field's value as text, a line for each thing in it."""
    if name == "parameters":
        # By name: a parameter that stands elsewhere in the body is the same one.
        by_name = sorted(value, key=lambda parameter: parameter.name)
        return "\n".join(parameter_in_words(parameter) for parameter in by_name)
    if name == "answer_rules":
        rules = AnswerRules.from_dict(value).to_dict()
        return "\n".join(
            f"{rule.replace('_', ' ')}: {_text(said)}" for rule, said in rules.items()
        )
    choices = dict(_field(name).flatchoices)
    if isinstance(value, str) and value in choices:
        return str(choices[value])
    return _text(value)


def _field(name: str) -> "Field[Any, Any]":
    field = ExternalAPIVersion._meta.get_field(name)
    assert isinstance(field, Field)
    return field


def parameter_in_words(parameter: Parameter) -> str:
    return f"{parameter.name}: {', '.join(_settings(parameter))}"


def _rows(
    name: str, before: str, after: str, renamed: Mapping[str, str]
) -> tuple[Row, ...]:
    if name != "parameters":
        return tuple(diff_lines(before, after))
    # A renamed parameter stands beside itself.
    old, new = _by_name(before), _by_name(after)
    names = sorted((old.keys() - set(renamed.values())) | new.keys())
    return tuple(
        row
        for n in names
        for row in diff_lines(old.get(renamed.get(n, n), ""), new.get(n, ""))
    )


def _by_name(parameters: str) -> dict[str, str]:
    """What `readable` says of each parameter, so that one is compared with itself."""
    return {line.partition(": ")[0]: line for line in parameters.splitlines()}


def _text(value: Any) -> str:
    match value:
        case None | "":
            return ""
        case bool():
            return "Yes" if value else "No"
        case Mapping() if all(isinstance(item, str) for item in value.values()):
            return "\n".join(f"{key}: {item}" for key, item in sorted(value.items()))
        case list() | tuple() if all(isinstance(item, str) for item in value):
            return ", ".join(value)
        case list() | tuple() if all(_is_pair(item) for item in value):
            return "\n".join(f"{name} = {text}" for name, text in value)
        case Mapping() | list() | tuple():
            return json.dumps(value, indent=2, ensure_ascii=False, default=str)
        case Model():
            return str(value)
    return str(value)


def _is_pair(item: object) -> bool:
    return isinstance(item, list | tuple) and len(item) == 2


def _settings(parameter: Parameter) -> Iterator[str]:
    yield parameter.type.label
    yield parameter.level.label
    yield "required" if parameter.required else "optional"
    for field in fields(parameter):
        value = getattr(parameter, field.name)
        if field.name not in SAID and value != field.default:
            yield f"{field.name.replace('_', ' ')} “{_text(value)}”"
