"""The pages that say that something cannot be shown or done, and what to do then.

Each looks like the page that was asked for: with the menu for whoever is signed in. The
page of a broken server asks nobody anything, so that it is there without a database.
"""

from dataclasses import dataclass

from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.templatetags.static import static
from django.urls import reverse
from django.utils.cache import add_never_cache_headers

from lemnisk_braze.lib.pages.context import context_of

SIGNED_IN = "admin/base_site.html"
SIGNED_OUT = "unfold/layouts/unauthenticated.html"
# Of a message that Django writes, so much is shown.
MAX_REASON = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """`advice` is what to do; `way` the button below it: its words and its address."""

    status: int
    title: str
    text: str
    advice: str
    way: tuple[str, str] = ("Go to the home page", "")


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    problem = Problem(
        status=400,
        title="This request cannot be read",
        text="The address, or what was sent with it, is not in order.",
        advice="Go back and try again. If you typed or changed the address yourself, "
        "begin at the home page.",
    )
    return _page(request, problem)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    problem = Problem(
        status=403,
        title="You may not do this",
        text=str(exception)[:MAX_REASON] or "Your permissions do not include it.",
        advice="An administrator can add you to a group that may.",
    )
    return _page(request, problem)


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    problem = Problem(
        status=404,
        title="This page is not here",
        text="Perhaps it was deleted, or the address has a mistake.",
        advice="Look it up with Ctrl+K, or in the list where it was.",
    )
    return _page(request, problem)


def not_pressed(request: HttpRequest) -> HttpResponse:
    """Of an address where a button leads: who signs in after a press is sent there."""
    problem = Problem(
        status=405,
        title="Nothing was done",
        text="This address belongs to a button. Perhaps you had been signed out when "
        "you pressed it.",
        advice="Open its page, and press it again.",
        way=("Open the page", f"{request.path.rstrip('/').rpartition('/')[0]}/"),
    )
    return _page(request, problem)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    problem = Problem(
        status=403,
        title="Nothing was saved: this form is too old",
        text="You have signed in or out since it was opened, perhaps in another tab, "
        "or your browser keeps no cookies.",
        advice="Open the page again and repeat what you typed. If it happens each "
        "time, allow cookies for this site, and tell an Engineer: CSRF_TRUSTED_ORIGINS "
        "may lack the site’s address.",
        way=("Open the page again", request.get_full_path()),
    )
    return _page(request, problem)


def server_error(request: HttpRequest) -> HttpResponse:
    """Say it with nothing but the template: the database may be what is away."""
    content = render_to_string("500.html", {**_plain(), "layout": SIGNED_OUT})
    response = HttpResponse(content, status=500)
    add_never_cache_headers(response)
    return response


def _page(request: HttpRequest, problem: Problem) -> HttpResponse:
    # A request that is turned away early has no user yet.
    user = getattr(request, "user", None)
    is_in = bool(user and admin.site.has_permission(request))
    label, url = problem.way
    context = {
        **(context_of(admin.site, request, problem.title) if is_in else _plain()),
        "layout": SIGNED_IN if is_in else SIGNED_OUT,
        "title": problem.title,
        "problem": problem,
        "way_label": label,
        "way_url": url or reverse("admin:index"),
    }
    response = render(
        request, "lemnisk_braze/problem.html", context, status=problem.status
    )
    add_never_cache_headers(response)
    return response


def _plain() -> dict[str, object]:
    return {
        "site_title": settings.UNFOLD["SITE_TITLE"],
        "colors": settings.UNFOLD["COLORS"],
        "styles": [static(path) for path in settings.STYLESHEETS],
    }
