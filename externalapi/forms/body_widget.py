"""The body's field on an External API's page: a textarea that becomes an editor."""

import json
from typing import Any

from django.urls import reverse
from unfold.widgets import UnfoldAdminTextareaWidget

# Offered after “{{” beside the names that are in use.
COMMON_NAMES = (
    "Name of the User",
    "First Name",
    "Last Name",
    "External ID",
    "Email",
    "Phone",
    "Event Time",
    "Product ID",
    "Price",
    "Currency",
    "Quantity",
)


class BodyEditor(UnfoldAdminTextareaWidget):  # type: ignore[misc]
    """Without JavaScript it is the textarea alone; that is what is submitted, always."""

    template_name = "externalapi/body_editor.html"

    class Media:
        js = ("externalapi/editor.js",)

    def get_context(
        self, name: str, value: Any, attrs: dict[str, Any] | None
    ) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context(name, value, attrs)
        context["check_url"] = reverse("admin:externalapi_externalapi_check_body")
        context["common"] = json.dumps(COMMON_NAMES)
        return context
