"""The page that says why a person is in a segment or not."""

from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse

from lemnisk_braze.lib.pages.context import context_of
from lemnisk_braze.lib.pages.rows import as_id
from segments import naming
from segments.membership import explaining
from segments.models import Profile, Segment
from segments.people import search
from segments.rules import tree

# More than so many who are called like that are not offered.
OFFERED = 20


def view(request: HttpRequest, segment_id: int, site: AdminSite) -> HttpResponse:
    """GET with `person` (what they are found by) or `id`, or with neither for the form."""
    if not request.user.has_perm("segments.view_segment"):
        raise PermissionDenied
    if not naming.may_see_people(request.user):
        raise PermissionDenied("People are not for you to see.")
    segment = get_object_or_404(Segment, pk=segment_id)
    typed = request.GET.get("person", "")
    person, others = _named(typed, as_id(request.GET.get("id", "")))
    title = f"Why is somebody in “{segment}”, or not?"
    context = context_of(site, request, title, segment) | {
        "typed": typed,
        "person": person,
        "others": others,
        **(_explanation(segment, person) if person else {}),
    }
    return TemplateResponse(request, "admin/segments/segment/explanation.html", context)


def _named(typed: str, pk: int | None) -> tuple[Profile | None, list[Profile]]:
    """The person who is meant, or all who could be."""
    if pk is not None:
        chosen = Profile.objects.filter(pk=pk).select_related("merged_into")
        found = chosen.first()
        return (found.merged_into or found if found else None), []
    people = list(search.find(typed).order_by("-pk")[: OFFERED + 1])
    if len(people) == 1:
        return people[0], []
    whole = [p for p in people if typed.strip() in (p.external_id, p.email, p.phone)]
    return (whole[0], []) if len(whole) == 1 else (None, people)


def _explanation(segment: Segment, person: Profile) -> dict[str, object]:
    if problem := tree.problem(segment.rule):
        return {"problem": problem}
    verdict = explaining.explain(segment.rule, person)
    membership = segment.memberships.filter(profile=person).first()
    return {
        "verdict": verdict,
        "membership": membership,
        # Counted every few minutes, or switched off: the list is behind the data.
        "is_behind": verdict.holds != bool(membership),
    }
