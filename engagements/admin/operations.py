"""The operations page: how delivery is doing, and what holds it back."""

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.views.decorators.cache import never_cache

from engagements.operations import chart, reading, samples

PERMISSION = "engagements.operate_delivery"


def urls(site: admin.AdminSite) -> list[URLPattern]:
    """The page's addresses, under those of the engagements."""

    def page(request: HttpRequest) -> HttpResponse:
        context = {**site.each_context(request), "title": "Operations", **_now(request)}
        return TemplateResponse(request, "engagements/operations.html", context)

    return [
        path("operations/", site.admin_view(page), name="engagements_operations"),
        path(
            "operations/now/",
            site.admin_view(never_cache(now_view)),
            name="engagements_operations_now",
        ),
    ]


def now_view(request: HttpRequest) -> HttpResponse:
    """The part of the page that it asks for again and again."""
    context = _now(request)
    return TemplateResponse(request, "engagements/operations_now.html", context)


def check(request: HttpRequest) -> None:
    if not request.user.has_perm(PERMISSION):
        raise PermissionDenied


def _now(request: HttpRequest) -> dict[str, object]:
    check(request)
    snapshot = reading.read()
    picture = chart.draw(samples.last_hour(snapshot.read_at))
    return {"now": snapshot, "picture": picture}
