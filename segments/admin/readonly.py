"""Pages that show and change nothing."""

import json
from typing import Any

from django.db.models import Model
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from lemnisk_braze.lib.filtering import OfferedFilters
from lemnisk_braze.lib.keyset import KeysetList


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
    text = json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True)
    return format_html('<pre class="lb-code" tabindex="0">{}</pre>', text)
