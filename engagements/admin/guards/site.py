"""The guards of all engagements: consent by channel, holdout, and a second person."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path

from engagements.admin.guards.forms import ConsentForm, HoldoutForm, LimitForm
from engagements.admin.guards.suppression import END, LOOK
from engagements.models import FrequencyCap, GlobalHoldout, Suppression
from externalapi.models import ExternalAPI
from lemnisk_braze.lib.pages.context import context_of

NAME = "engagements_guards"
# Who is watched does not say from when on.
SET_LIMIT = "engagements.set_approval"
# In the history: whose id is that of no row.
SHOWN = 10


def urls(site: admin.AdminSite) -> list[URLPattern]:
    def view(request: HttpRequest) -> HttpResponse:
        return _view(site, request)

    return [path("guards/", site.admin_view(view), name=NAME)]


def _view(site: admin.AdminSite, request: HttpRequest) -> HttpResponse:
    """Who looks may see it; what lets engagements send is an Approver's word."""
    may_change = request.user.has_perm(END)
    if not request.user.has_perm(LOOK) or (request.method == "POST" and not may_change):
        raise PermissionDenied
    data = request.POST or None
    consents = [ConsentForm(data, channel) for channel in ExternalAPI.Channel.values]
    holdout = HoldoutForm(data)
    may_set = request.user.has_perm(SET_LIMIT)
    limit = LimitForm(data if may_set else None)
    forms: list[Any] = [*consents, holdout, *([limit] if may_set else ())]
    # All are asked, so that each says what is wrong with it.
    are_valid = [form.is_valid() for form in forms]
    if data is not None and all(are_valid):
        with transaction.atomic():
            changed = " ".join(filter(None, (form.save() for form in forms)))
            if changed:
                _log(request, changed)
        messages.success(request, changed or "Nothing was changed.")
        return redirect(f"admin:{NAME}")
    for form in forms if not may_change else ():
        _disable(form)
    if not may_set:
        _disable(limit)
    context = context_of(site, request, "Guards") | {
        "consents": consents,
        "holdout": holdout,
        "limit": limit,
        "may_change": may_change,
        "may_set": may_set,
        "suppressions": Suppression.objects.count(),
        "caps": FrequencyCap.objects.filter(is_active=True).order_by("name"),
        "history": _history(),
    }
    return TemplateResponse(request, "engagements/guards/site.html", context)


def _disable(form: Any) -> None:
    for field in form.fields.values():
        field.disabled = True


def _log(request: HttpRequest, words: str) -> None:
    LogEntry.objects.create(
        user=request.user,  # type: ignore[misc]
        content_type=ContentType.objects.get_for_model(GlobalHoldout),
        object_id="1",
        object_repr="Guards",
        action_flag=CHANGE,
        change_message=words,
    )


def _history() -> list[LogEntry]:
    kind = ContentType.objects.get_for_model(GlobalHoldout)
    rows = LogEntry.objects.filter(content_type=kind).select_related("user")
    return list(rows.order_by("-pk")[:SHOWN])
