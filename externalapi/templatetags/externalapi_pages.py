"""What the tree of the Test API page looks up."""

from collections.abc import Mapping

from django import template
from django.forms import BoundField

register = template.Library()


@register.filter
def field_of(fields: Mapping[str, BoundField], name: str) -> BoundField | None:
    """Return the input of a parameter; None for one that is fixed."""
    return fields.get(name)


@register.filter
def value_of(values: Mapping[str, str], name: str) -> str:
    return values.get(name, "")
