"""The admin's site: the theme's, without a list on every page that hardly any shows."""

from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject
from unfold.sites import UnfoldAdminSite


class Site(UnfoldAdminSite):  # type: ignore[misc]
    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> Any:
        """All models that somebody may see, looked up when it is read.

        Django gives it to every page, for a menu in whose place we have the sidebar.
        """
        return SimpleLazyObject(
            lambda: super(Site, self).get_app_list(request, app_label)
        )
