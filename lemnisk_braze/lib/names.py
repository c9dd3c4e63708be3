"""What a name may be: one line, as lists, logs and mails show it."""

import re

from django.core.exceptions import ValidationError

# Control characters, ends of lines, and marks that turn the direction of writing.
_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def one_line(name: str) -> str:
    """Return the name; raises ValidationError for one that could pass for more."""
    if _UNSEEN.search(name):
        raise ValidationError("Write the name on one line, in visible characters.")
    return name
