"""What a save of a connection did, for its history: in the words of the form.

No secret is in it: of a key there is that it was set, and what is shown of it anyway.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from django import forms

from externalapi.connection_form import ConnectionForm
from externalapi.models import Connection

MAX_LENGTH = 200


def said(form: ConnectionForm, *, is_new: bool) -> str:
    """Return a sentence for each field that a saved form has changed."""
    changed = [] if is_new else list(_changes(form))
    if form.cleaned_data.get("key"):
        changed.append(_key_words(form.instance))
    if is_new:
        return " ".join(["Added.", *changed])
    return " ".join(changed) or "Saved without a change."


def _changes(form: ConnectionForm) -> Iterator[str]:
    # Not those of the form at hand, which has the key as well.
    for name in ConnectionForm.Meta.fields:
        if name not in form.cleaned_data:
            continue
        field = form.fields[name]
        before = _text(name, field, form.initial.get(name))
        after = _text(name, field, form.cleaned_data[name])
        if before != after:
            yield f"{field.label}: {before or 'empty'} → {after or 'empty'}."


def _text(name: str, field: forms.Field, value: Any) -> str:
    if isinstance(field, forms.ModelMultipleChoiceField):
        found: Iterable[Any] = value or ()
        return ", ".join(sorted(str(one) for one in found))
    if isinstance(field, forms.ChoiceField):
        return str(dict(field.choices).get(value, value))  # type: ignore[arg-type]
    text = "" if value is None else str(value)
    # What follows a question mark may be a secret.
    path, mark, _ = text.partition("?")
    return f"{path}?…" if mark and name == "token_url" else text[:MAX_LENGTH]


def _key_words(connection: Connection) -> str:
    end = connection.key_last_four
    return f"Key set, ends in {end}." if end else "Key set."
