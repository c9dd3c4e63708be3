"""The row that a page of the admin is about."""

from typing import Any, Literal

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest


def row_of(
    page: Any,
    request: HttpRequest,
    pk: object,
    verb: Literal["view", "change"] = "view",
) -> Any:
    """The row with this id of a model's admin.

    Raises Http404 where there is none, PermissionDenied for who may not view or change
    it.
    """
    row = page.get_object(request, str(pk))
    if row is None:
        raise Http404
    may = page.has_view_permission if verb == "view" else page.has_change_permission
    if not may(request, row):
        raise PermissionDenied
    return row


def as_id(text: str) -> int | None:
    """The id in an address; None for what is none, or longer than any."""
    return int(text) if text.isdecimal() and len(text) < 19 else None
