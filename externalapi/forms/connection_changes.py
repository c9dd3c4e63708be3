"""What a save of a connection did, for its history: in the words of the form.

No secret is in it: of a key there is that it was set, and what is shown of it anyway.
"""

from externalapi.forms.connection import ConnectionForm
from externalapi.models import Connection
from lemnisk_braze.lib import form_changes


def said(form: ConnectionForm, *, is_new: bool) -> str:
    """Return a sentence for each field that a saved form has changed."""
    # Not those of the form at hand, which has the key as well.
    names = ConnectionForm.Meta.fields
    words = {"token_url": _without_query}
    changed = [] if is_new else form_changes.changes(form, names, words)
    if form.cleaned_data.get("key"):
        changed.append(_key_words(form.instance))
    if is_new:
        return " ".join(["Added.", *changed])
    return " ".join(changed) or "Saved without a change."


def _without_query(url: str | None) -> str:
    # What follows a question mark may be a secret.
    path, mark, _ = (url or "").partition("?")
    return f"{path}?…" if mark else path


def _key_words(connection: Connection) -> str:
    end = connection.key_last_four
    return f"Key set, ends in {end}." if end else "Key set."
