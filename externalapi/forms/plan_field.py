"""A choice by name that fills other fields of its form.

The page's script fills them at once, and goes over to "own" when one is typed in.
Without it a save does: a name that is newly chosen counts, else what was typed.
"""

import json
from collections.abc import Mapping
from typing import Any, TypeAlias

from django import forms

OWN = "own"

# Name → field → value, as its input shows it.
Sets: TypeAlias = Mapping[str, Mapping[str, str]]


def fills(field: forms.Field, sets: Sets) -> None:
    """Tell the page's script what each name fills, and the next save what was shown."""
    field.widget.attrs["data-fills"] = json.dumps(sets)
    field.show_hidden_initial = True


def is_typed_over(form: forms.BaseForm, choice: str, sets: Sets) -> bool:
    """Whether the name was left as it was, and a field under it was not."""
    name = str(form.data.get(form.add_prefix(choice), ""))
    if name not in sets or name != form.data.get(form.add_initial_prefix(choice)):
        return False
    return any(
        form.data.get(form.add_prefix(field), value).strip() != value
        for field, value in sets[name].items()
    )


def shown(values: Mapping[str, Any]) -> dict[str, str]:
    """Return values as inputs show them: lists with commas, and nothing for None."""
    return {
        name: ", ".join(map(str, value))
        if isinstance(value, list | tuple)
        else str("" if value is None else value)
        for name, value in values.items()
    }
