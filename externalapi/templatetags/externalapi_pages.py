"""What the pages look up: inputs of the tree, pieces of a difference."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from django import template
from django.forms import BoundField
from django.template.defaultfilters import pluralize
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from externalapi.definitions.diff import Piece

register = template.Library()


@register.filter
def field_of(fields: Mapping[str, BoundField], name: str) -> BoundField | None:
    """Return the input of a parameter; None for one that is fixed."""
    return fields.get(name)


@register.filter
def value_of(values: Mapping[str, str], name: str) -> str:
    return values.get(name, "")


@register.filter
def in_time(wait: timedelta) -> str:
    """Return "in 12 seconds" or "in 44 minutes"."""
    seconds = round(wait.total_seconds())
    if seconds < 120:
        return f"in {seconds} second{pluralize(seconds)}"
    return f"in {round(seconds / 60)} minutes"


@register.simple_tag
def diff_code(pieces: Sequence[Piece], mark: str) -> SafeString:
    """A line with what changed in `<del>` or `<ins>`; white space counts there."""
    whole = format_html(' class="{}"', "diff-whole") if len(pieces) == 1 else ""
    plain, changed = "{}", f"<{mark}{whole}>{{}}</{mark}>"
    return format_html_join(
        "",
        "{}",
        (
            [format_html(changed if piece.is_changed else plain, piece.text)]
            for piece in pieces
        ),
    )
