"""The admin's sidebar: what there is, in the field's own words."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One list; `icon` is a name of the Material Symbols that the theme bundles.

    A page that is no list has `url`, the name of its address, and its permission.
    """

    title: str
    icon: str
    model: str = ""
    url: str = ""
    permission: str = ""


GROUPS: Mapping[str, tuple[Entry, ...]] = {
    "Channels": (
        Entry(title="External APIs", icon="webhook", model="externalapi.ExternalAPI"),
        Entry(title="Connections", icon="cable", model="externalapi.Connection"),
    ),
    "People": (
        Entry(title="Segments", icon="filter_alt", model="segments.Segment"),
        Entry(title="Lists", icon="list_alt", model="segments.UploadedList"),
        Entry(title="People", icon="person", model="segments.Profile"),
        Entry(title="Events", icon="bolt", model="segments.Event"),
        Entry(title="Dictionary", icon="dictionary", model="segments.DictionaryEntry"),
        Entry(title="Imports", icon="upload_file", model="segments.Import"),
        Entry(title="SQL sources", icon="database", model="segments.SourceQuery"),
        Entry(
            title="Watched folders",
            icon="folder_open",
            model="segments.WatchedFolder",
        ),
        Entry(title="Sources", icon="sensors", model="segments.Source"),
        Entry(title="Inbox", icon="inbox", model="segments.InboxRequest"),
        Entry(title="Erasures", icon="person_remove", model="segments.Erasure"),
    ),
    "Engagements": (
        Entry(title="Engagements", icon="campaign", model="engagements.Engagement"),
        Entry(
            title="Calendar",
            icon="calendar_month",
            url="admin:engagements_calendar",
            permission="engagements.view_engagement",
        ),
        Entry(
            title="Guards",
            icon="shield",
            url="admin:engagements_guards",
            permission="engagements.view_engagement",
        ),
        Entry(
            title="Suppression list",
            icon="block",
            model="engagements.Suppression",
        ),
        Entry(title="Runs", icon="play_circle", model="engagements.Run"),
        Entry(title="Deliveries", icon="send", model="engagements.Delivery"),
        Entry(
            title="Frequency caps",
            icon="speed",
            model="engagements.FrequencyCap",
        ),
        Entry(
            title="Operations",
            icon="monitor_heart",
            url="admin:engagements_operations",
            permission="engagements.operate_delivery",
        ),
    ),
    "Administration": (
        Entry(title="Users", icon="manage_accounts", model="auth.User"),
        Entry(title="Groups", icon="group", model="auth.Group"),
    ),
}


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """The groups in the theme's own shape, with only what this user may see."""
    home = {"title": "Home", "icon": "home", "link": reverse("admin:index")}
    groups: list[dict[str, Any]] = [
        {"title": title, "items": _items(request, title)} for title in GROUPS
    ]
    _mark_open(request, [item for group in groups for item in group["items"]])
    return [{"items": [home]}, *groups]


def _mark_open(request: HttpRequest, items: list[dict[str, Any]]) -> None:
    """Mark the one page that is open: of two that lead here the nearer one."""
    leading = [i["link"] for i in items if request.path.startswith(i["link"])]
    for item in items:
        item["active"] = item["link"] == max(leading, key=len, default="")


def _items(request: HttpRequest, title: str) -> list[dict[str, Any]]:
    return [
        {"title": entry.title, "icon": entry.icon, "link": _url(entry)}
        for entry in GROUPS[title]
        if _may_see(request, entry)
    ]


def _may_see(request: HttpRequest, entry: Entry) -> bool:
    if entry.url:
        return bool(request.user.has_perm(entry.permission))
    model = apps.get_model(entry.model)
    if not admin.site.is_registered(model):
        return False
    model_admin = admin.site.get_model_admin(model)
    return model_admin.has_view_or_change_permission(request)


def _url(entry: Entry) -> str:
    if entry.url:
        return reverse(entry.url)
    options = apps.get_model(entry.model)._meta
    return reverse(f"admin:{options.app_label}_{options.model_name}_changelist")
