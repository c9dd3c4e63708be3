"""Pages that show and change nothing."""

from typing import Any

from django.db.models import Model
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from lemnisk_braze.lib.filtering import OfferedFilters
from lemnisk_braze.lib.keyset import KeysetList
from segments.people import display


class ReadOnlyAdmin(KeysetList, OfferedFilters):
    """Rows that the product writes and people read."""

    list_filter_submit = False
    actions = None

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(
        self, request: HttpRequest, obj: Model | None = None
    ) -> bool:
        return False

    def has_delete_permission(
        self, request: HttpRequest, obj: Model | None = None
    ) -> bool:
        return False


def as_json(value: Any) -> SafeString:
    """A JSON value to be read by people."""
    text = display.as_json(value, indent=2)
    return format_html('<pre class="lb-code" tabindex="0">{}</pre>', text)
