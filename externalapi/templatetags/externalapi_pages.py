"""What the tree of the Test API page looks up."""

from collections.abc import Mapping
from datetime import timedelta

from django import template
from django.forms import BoundField
from django.template.defaultfilters import pluralize

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
