"""Ctrl+K: people, segments, Engagements, External APIs and pages, by what one types.

People are found by an index over each of their identifiers, and the newest of them by
name; everything else is a short list.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from django.contrib import admin
from django.db.models import Model, Q, QuerySet, TextField, Value
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Coalesce, Concat
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.text import capfirst

from engagements.models import Engagement
from externalapi.models import Connection, ExternalAPI
from lemnisk_braze.dashboard import navigation
from segments.models import Identifier, Profile, Segment

SHOWN = 6
MAX_TYPED = 200
# So many people's names are read for one answer: a few hundredths of a second.
NAMES_READ = 20_000
NAMED: tuple[tuple[type[Model], str], ...] = (
    (Segment, "filter_alt"),
    (Engagement, "campaign"),
    (ExternalAPI, "webhook"),
    (Connection, "cable"),
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
    typed = request.GET.get("s", "").replace("\0", "").strip()[:MAX_TYPED]
    found = list(find(request, typed)) if typed else []
    context = {"found": found, "typed": typed}
    response = TemplateResponse(request, "lemnisk_braze/found.html", context)
    response["Cache-Control"] = "no-store"
    return response


def find(request: HttpRequest, typed: str) -> Iterator[Found]:
    """Only what this user may see, people first: they are what most is typed for."""
    if _may_see(request, Profile):
        for person in _people(typed):
            title, url = person.called, person.get_absolute_url()
            known_by = f"Person {person}" if str(person) != title else "Person"
            yield Found(title=title, kind=known_by, icon="person", url=url)
    for model, icon in NAMED:
        if _may_see(request, model):
            kind = capfirst(str(model._meta.verbose_name))
            for row in _named(model, typed):
                url = _page(row)
                yield Found(title=str(row), kind=kind, icon=icon, url=url)
    for group in navigation.sidebar(request):
        for item in group["items"]:
            if typed.casefold() in item["title"].casefold():
                title, icon, url = item["title"], item["icon"], item["link"]
                yield Found(title=title, kind="Page", icon=icon, url=url)


def _may_see(request: HttpRequest, model: type[Model]) -> bool:
    model_admin = admin.site.get_model_admin(model)
    return bool(model_admin.has_view_or_change_permission(request))


def _people(typed: str) -> Iterable[Profile]:
    """At most SHOWN people, each once, whom an identifier names before a name does."""
    known = Profile.objects.filter(merged_into=None)
    found: dict[int, Profile] = {}
    for question in identified(typed):
        found |= {person.pk: person for person in known.filter(question)[:SHOWN]}
    if len(found) < SHOWN:
        found |= {person.pk: person for person in _by_name(known, typed)}
    return list(found.values())[:SHOWN]


def identified(typed: str) -> tuple[Q, ...]:
    """Who has an identifier that begins so, each answered by an index of its own."""
    others = Identifier.objects.filter(kind__in=Identifier.Kind.values, value=typed)
    # "Not empty" is what lets PostgreSQL use the partial indexes.
    return (
        Q(external_id=typed),
        Q(external_id__startswith=typed),
        Q(email__startswith=typed.lower()) & ~Q(email=""),
        Q(phone__startswith=typed) & ~Q(phone=""),
        Q(pk__in=others.values("profile")),
    )


def _by_name(people: QuerySet[Profile], typed: str) -> QuerySet[Profile]:
    newest = Profile.objects.order_by("-pk").values("pk")[:NAMES_READ]
    nothing, space = (Value(text, TextField()) for text in ("", " "))
    words = [
        part
        for key in Profile.NAME_ATTRIBUTES
        for part in (Coalesce(KeyTextTransform(key, "attributes"), nothing), space)
    ]
    named = people.filter(pk__in=newest).alias(words=Concat(*words))
    return named.filter(words__icontains=typed)[:SHOWN]


def _named(model: type[Model], typed: str) -> QuerySet[Model]:
    rows = model._default_manager.filter(name__icontains=typed)
    return rows.order_by("name")[:SHOWN]


def _page(row: Model) -> str:
    name = f"admin:{row._meta.app_label}_{row._meta.model_name}_change"
    return reverse(name, args=[row.pk])
