"""What a name may be: one line, as lists, logs and mails show it."""

import re
import unicodedata
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Model

# Control characters, ends of lines, marks that turn the direction of writing, and what
# takes no room; not the joiners inside emoji and Persian words.
# Inside of [], for others' regular expressions too: JavaScript reads it the same way.
UNSEEN = (
    r"\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e"
    r"\u2060-\u206f\ufeff\ufff9-\ufffb"
)
# And halves of a character.
_UNSEEN = re.compile(rf"[{UNSEEN}\ud800-\udfff]")


def is_one_line(name: str) -> bool:
    """Whether the name is what it looks like: one line of visible characters."""
    # Nearly every name is plain, and Python knows that faster.
    return (name.isascii() and name.isprintable()) or not _UNSEEN.search(name)


def visible(text: str) -> str:
    """The text without what nobody sees in it."""
    return _UNSEEN.sub("", text)


def trimmed(name: str) -> str:
    """The name without spaces around, as Braze keeps it, and in one form of each letter.

    Two names that look alike are one.
    """
    return (name if name.isascii() else unicodedata.normalize("NFC", name)).strip()


def one_line(name: str) -> str:
    """Return the name; raises ValidationError for one that could pass for more."""
    if not is_one_line(name):
        raise ValidationError("Write the name on one line, in visible characters.")
    return name


def free_name(wanted: str, rows: type[Model]) -> str:
    """The name, or with " (2)" and so on behind it where one of the rows has it already.

    It is cut to what the model's `name` takes.
    """
    field: Any = rows._meta.get_field("name")
    length = field.max_length
    names = rows._default_manager
    name, number = wanted[:length], 1
    while names.filter(name=name).exists():
        number += 1
        end = f" ({number})"
        name = wanted[: length - len(end)] + end
    return name
