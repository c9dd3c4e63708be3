"""What every page of the admin is given: the menu, its title, and what it is about."""

from typing import Any

from django.contrib.admin import AdminSite
from django.db.models import Model
from django.http import HttpRequest


def context_of(
    site: AdminSite,
    request: HttpRequest,
    title: str,
    about: Model | type[Model] | None = None,
    **more: Any,
) -> dict[str, Any]:
    """For a template that extends the admin's; `about` is a row, or a model without one."""
    context: dict[str, Any] = {**site.each_context(request), "title": title}
    if about is not None:
        context["opts"] = about._meta
    if isinstance(about, Model):
        context["original"] = about
    return context | more
