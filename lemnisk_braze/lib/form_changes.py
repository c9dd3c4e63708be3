"""What a save has changed, for the history: before and after, in the form's words."""

from collections.abc import Callable, Iterable, Mapping
from datetime import time
from functools import partial
from typing import Any

from django import forms
from django.http import HttpRequest
from django.utils import formats, timezone

MAX_LENGTH = 200
Words = Callable[[Any], str]


def changes(
    form: Any, names: Iterable[str] | None = None, words: Mapping[str, Words] = {}
) -> list[str]:
    """A sentence for each of the fields that a valid form has changed.

    `words` says how a field's value is read where it is not read as it is.
    """
    said = []
    for name in form.changed_data if names is None else names:
        if name not in form.cleaned_data or name not in form.fields:
            continue
        field = form.fields[name]
        read = words.get(name) or partial(_text, field)
        before = read(form.get_initial_for_field(field, name))[:MAX_LENGTH]
        after = read(form.cleaned_data[name])[:MAX_LENGTH]
        if before != after:
            label = field.label or name.replace("_", " ").capitalize()
            said.append(f"{label}: {before or 'empty'} → {after or 'empty'}.")
    return said


class ChangesInWords:
    """Mixed into an admin whose form is a plain one."""

    # Fields of which no history may tell more than that they were changed.
    untold: frozenset[str] = frozenset()

    def words_of(self) -> Mapping[str, Words]:
        return {}

    def construct_change_message(
        self, request: HttpRequest, form: Any, formsets: Any, add: bool = False
    ) -> str:
        if add:
            return "Added."
        names = [name for name in form.changed_data if name not in self.untold]
        return " ".join(changes(form, names, self.words_of())) or "Saved."


def _text(field: forms.Field, value: Any) -> str:
    if isinstance(field, forms.ModelMultipleChoiceField):
        found: Iterable[Any] = value or ()
        return ", ".join(sorted(str(one) for one in found))
    if isinstance(field, forms.ModelChoiceField):
        rows = field.queryset
        is_key = rows is not None and _is_key(value)
        known = rows.filter(pk=value).first() if is_key else value  # type: ignore[union-attr]
        return str(known or "")
    if isinstance(field, forms.MultipleChoiceField):
        words = {str(key): str(label) for key, label in dict(field.choices).items()}  # type: ignore[arg-type]
        return ", ".join(words.get(str(one), str(one)) for one in value or ())
    if isinstance(field, forms.ChoiceField):
        return str(dict(field.choices).get(value, "" if value is None else value))  # type: ignore[arg-type]
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, time):
        return value.isoformat("minutes")
    if hasattr(value, "utcoffset"):
        local = timezone.localtime(value) if timezone.is_aware(value) else value
        return formats.date_format(local, "DATETIME_FORMAT")
    return "" if value is None else str(value)


def _is_key(value: Any) -> bool:
    return isinstance(value, int) or (isinstance(value, str) and value.isdecimal())
