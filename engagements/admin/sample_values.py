"""Test values of a real person, for the Test API page of the app below."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path
from django.utils import formats, timezone

from engagements.authoring import sample_values
from externalapi.forms.test_values import TestConfigurationForm
from externalapi.models import ExternalAPI, ExternalAPIVersion
from segments import naming
from segments.models import Event, Profile

NEEDED = (
    naming.PERMISSION,
    naming.PERSONAL_DATA,
    "externalapi.test_externalapi",
)


def urls(site: admin.AdminSite) -> list[URLPattern]:
    view = site.admin_view(people_view)
    name = "engagements_engagement_test_people"
    return [path("test-people/<int:external_api_id>/", view, name=name)]


def people_view(request: HttpRequest, external_api_id: int) -> HttpResponse:
    """Answer with the people whom `q` finds, each with suggestions by input.

    A POST, so that no address with a person's e-mail is written into a log.
    """
    if not request.user.has_perms(NEEDED):
        raise PermissionDenied
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    external_api = get_object_or_404(
        ExternalAPI.objects.select_related("current_version"),
        pk=external_api_id,
        current_version__isnull=False,
    )
    version = external_api.current_version
    assert version is not None
    version.external_api = external_api
    sees_events = request.user.has_perm("segments.view_event")
    people = sample_values.find_people(request.POST.get("q", ""))
    found = [_person(version, person, sees_events) for person in people]
    return JsonResponse({"people": found})


def _person(
    version: ExternalAPIVersion, person: Profile, sees_events: bool
) -> dict[str, Any]:
    events = sample_values.recent_events(person) if sees_events else []
    known_by = (person.external_id, person.email, person.phone)
    return {
        "name": str(person),
        "detail": ", ".join(one for one in known_by if one and one != str(person)),
        "values": _values(version, person, None),
        "events": [
            {"name": _event_name(event), "values": _values(version, person, event)}
            for event in events
        ],
    }


def _values(
    version: ExternalAPIVersion, person: Profile, event: Event | None
) -> list[dict[str, str]]:
    form = TestConfigurationForm(version.read_parameters())
    return [
        {
            "input": form[form.names[one.parameter]].id_for_label,
            "value": form.shown(one.parameter, one.value),
            "source": one.source,
        }
        for one in sample_values.suggest(version, person, event)
    ]


def _event_name(event: Event) -> str:
    at = formats.date_format(timezone.localtime(event.time), "DATETIME_FORMAT")
    return f"{event.name}, {at}"
