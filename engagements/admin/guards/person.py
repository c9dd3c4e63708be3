"""One person, by name: which guard would stop them, and what would be sent."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path

from engagements.admin.guards.suppression import LOOK
from engagements.authoring import explaining
from engagements.authoring.preview import member_event, preview, seen_by
from engagements.guards import holdout
from engagements.models import Delivery, Engagement
from engagements.variants import plan
from lemnisk_braze.lib.pages.context import context_of
from lemnisk_braze.lib.pages.rows import as_id
from segments import naming
from segments.models import Profile
from segments.people import search

SHOWN = 20
HOLDOUTS = (holdout.GLOBAL.name, holdout.GUARD.name)


def urls(site: admin.AdminSite) -> list[URLPattern]:
    def view(request: HttpRequest, pk: int) -> HttpResponse:
        return _view(site, request, pk)

    name = "engagements_engagement_person"
    return [path("<int:pk>/person/", site.admin_view(view), name=name)]


def said_of(delivery: Delivery) -> list[explaining.Step]:
    """What guards say now of somebody who was skipped; nothing of others."""
    if delivery.state != Delivery.State.SKIPPED or delivery.profile is None:
        return []
    return explaining.steps(delivery.run.engagement, delivery.profile)


def _view(site: admin.AdminSite, request: HttpRequest, pk: int) -> HttpResponse:
    may_see = naming.may_see_people(request.user)
    if not (may_see and request.user.has_perm(LOOK)):
        raise PermissionDenied
    rows = Engagement.objects.select_related(
        "segment", "version__external_api", "version__connection"
    )
    engagement = get_object_or_404(rows, pk=pk)
    wanted = request.GET.get("who", "").strip()
    found = _meant(request, wanted)
    context = context_of(site, request, "Who gets it?", engagement) | {
        "wanted": wanted,
        "several": found if len(found) > 1 else [],
        "message": f"Nobody is found for “{wanted}”." if wanted and not found else "",
        **(_about(request, engagement, found[0]) if len(found) == 1 else {}),
    }
    return TemplateResponse(request, "engagements/guards/person.html", context)


def _meant(request: HttpRequest, wanted: str) -> list[Profile]:
    """By ?person=ID, a whole identifier, or how one begins; several are asked about."""
    if (pk := as_id(request.GET.get("person", ""))) is not None:
        found = Profile.objects.select_related("merged_into").filter(pk=pk)
        return [one.merged_into or one for one in found]
    whole = list(search.find(wanted, SHOWN, whole=True).order_by("pk")[:SHOWN])
    return whole or list(search.find(wanted, SHOWN).order_by("pk")[:SHOWN])


def _about(
    request: HttpRequest, engagement: Engagement, person: Profile
) -> dict[str, Any]:
    steps = explaining.steps(engagement, person)
    decisive = explaining.decisive(steps)
    its = explaining.variant(engagement, person)
    number = its.number if its else None
    shown = preview(
        engagement.version,
        plan.of(engagement).values(number, engagement.values),
        engagement.segment,
        person,
        member_event(engagement.segment, person),
        engagement,
    )
    return {
        "person": person,
        "steps": steps,
        # Who is held out gets none.
        "variant": its if decisive is None or decisive.name not in HOLDOUTS else None,
        "decisive": decisive,
        "preview": seen_by(shown, engagement.version.connection, request.user),
    }
