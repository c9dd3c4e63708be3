"""Ctrl+K: people, segments, Engagements, External APIs, names and pages, by what one types.

People are found as segments.people.search says; everything else is a short list.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.text import capfirst

from engagements.models import Engagement
from externalapi.models import Connection, ExternalAPI
from lemnisk_braze.dashboard import navigation
from segments import naming
from segments.models import DictionaryEntry, Profile, Segment
from segments.people import search

SHOWN = 6
NAMED: tuple[tuple[type[Model], str], ...] = (
    (Segment, "filter_alt"),
    (Engagement, "campaign"),
    (ExternalAPI, "webhook"),
    (Connection, "cable"),
    (DictionaryEntry, "dictionary"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One line: what it is called, what it is, and its page."""

    title: str
    kind: str
    icon: str
    url: str


def search_view(request: HttpRequest) -> HttpResponse:
    """The lines for `s`, as a part of a page."""
    typed = request.GET.get("s", "").replace("\0", "").strip()[: search.MAX_TYPED]
    found = list(find(request, typed)) if typed else []
    context = {"found": found, "typed": typed}
    response = TemplateResponse(request, "lemnisk_braze/found.html", context)
    response["Cache-Control"] = "no-store"
    return response


def find(request: HttpRequest, typed: str) -> Iterator[Found]:
    """Only what this user may see, people first: they are what most is typed for."""
    if _may_see(request, Profile):
        for person in _people(request, typed):
            title, url = person.called, person.get_absolute_url()
            known_by = f"Person {person}" if str(person) != title else "Person"
            yield Found(title=title, kind=known_by, icon="person", url=url)
    for model, icon in NAMED:
        if _may_see(request, model):
            kind = capfirst(str(model._meta.verbose_name))
            for row in _named(model, typed):
                name = f"admin:{row._meta.app_label}_{row._meta.model_name}_change"
                url = reverse(name, args=[row.pk])
                yield Found(title=str(row), kind=kind, icon=icon, url=url)
    for group in navigation.sidebar(request):
        for item in group["items"]:
            if typed.casefold() in item["title"].casefold():
                title, icon, url = item["title"], item["icon"], item["link"]
                yield Found(title=title, kind="Page", icon=icon, url=url)


def _may_see(request: HttpRequest, model: type[Model]) -> bool:
    model_admin = admin.site.get_model_admin(model)
    return bool(model_admin.has_view_or_change_permission(request))


def _people(request: HttpRequest, typed: str) -> Iterable[Profile]:
    """At most SHOWN people, whoever is called exactly so before the others."""
    if not naming.may_see_people(request.user):
        people = list(search.find(typed, SHOWN, whole=True)[:SHOWN])
        for person in people:
            naming.mask(person)
        return people
    found = search.find(typed, SHOWN)
    exact = {typed.casefold(), typed.lower()}

    def is_exact(person: Profile) -> bool:
        names = (person.external_id, person.email, person.phone, person.called)
        return any(name and name.casefold() in exact for name in names)

    return sorted(found, key=lambda person: (not is_exact(person), -person.pk))[:SHOWN]


def _named(model: type[Model], typed: str) -> QuerySet[Model]:
    rows = model._default_manager.filter(name__icontains=typed)
    return rows.order_by("name")[:SHOWN]
