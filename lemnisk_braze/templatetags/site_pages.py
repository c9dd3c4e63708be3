"""What every page says of itself: its heading, the way to it, and the tab's title."""

import re
from dataclasses import dataclass
from typing import Any

from django import template
from django.conf import settings
from django.contrib.admin.views.main import ChangeList
from django.db.models import Model
from django.template.context import RequestContext
from django.urls import NoReverseMatch, reverse
from django.utils.text import capfirst

from lemnisk_braze.dashboard import empty_lists

register = template.Library()

_LABEL = re.compile(r'(?<= data-label=")[a-z]')


@dataclass(frozen=True, slots=True, kw_only=True)
class Crumb:
    title: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """`text` is the page's one h1, `crumbs` the pages above it, the nearest last."""

    text: str
    crumbs: tuple[Crumb, ...] = ()

    @property
    def parent(self) -> Crumb | None:
        return self.crumbs[-1] if self.crumbs else None


@register.simple_tag(takes_context=True)
def page_heading(context: RequestContext) -> Heading:
    """A list is named by its plural, a thing by its own name, an act by its title."""
    opts = context.get("opts")
    thing = _thing(context)
    if opts is None:
        return Heading(text=str(context.get("title") or ""))
    if context.get("cl"):
        return Heading(text=_capital(opts.verbose_name_plural))
    crumbs = [_crumb(_capital(opts.verbose_name_plural), opts, "changelist")]
    if thing is None:
        return Heading(text=_text(context, None), crumbs=_known(crumbs))
    if not _is_own_page(context, thing):
        crumbs.append(_crumb(str(thing), opts, "change", thing.pk))
    return Heading(text=_text(context, thing), crumbs=_known(crumbs))


@register.simple_tag(takes_context=True)
def page_title(context: RequestContext) -> str:
    """The tab's title: what is shown, what kind of thing it is, and the product."""
    text = page_heading(context).text
    thing = _thing(context)
    parts = [text]
    if thing is not None and _is_own_page(context, thing):
        parts.append(_capital(thing._meta.verbose_name))
    elif thing is not None and str(thing) not in text:
        parts.append(str(thing))
    product = str(settings.UNFOLD["SITE_TITLE"])
    return " | ".join([*filter(None, parts), product])


@register.simple_tag(takes_context=True)
def why_empty(context: RequestContext) -> empty_lists.Emptiness:
    return empty_lists.emptiness(context["cl"], context["request"])


@register.filter
def chosen_by_links(listed: ChangeList) -> list[tuple[str, str]]:
    """What a list's address asks for, but for what the inputs of its filters send.

    Filters of the theme that have a form are inputs; all others are links, which what is
    applied would forget, and with them what links on other pages asked the list for.
    """
    inputs = {
        name
        for spec in listed.filter_specs
        if hasattr(spec, "form_class")
        for name in spec.expected_parameters()
    }
    return [
        (name, str(value))
        for name, values in listed.filter_params.items()
        if name not in inputs
        for value in values
    ]


def _text(context: RequestContext, thing: Model | None) -> str:
    if text := context.get("heading"):
        return str(text)
    title = str(context.get("title") or "")
    if thing is None:
        return title
    if _is_own_page(context, thing):
        return str(thing)
    if "deleted_objects" in context:
        is_refused = context.get("protected") or context.get("perms_lacking")
        return f"{thing} cannot be deleted" if is_refused else f"Delete {thing}?"
    return f"History of {thing}" if "action_list" in context else title


def _thing(context: RequestContext) -> Model | None:
    for name in ("original", "object"):
        if isinstance(found := context.get(name), Model):
            return found
    return None


def _is_own_page(context: RequestContext, thing: Model) -> bool:
    crumb = _crumb("", thing._meta, "change", thing.pk)
    return crumb is not None and context["request"].path == crumb.url


def _crumb(title: str, opts: Any, page: str, *args: object) -> Crumb | None:
    """None where the model has no such page."""
    name = f"admin:{opts.app_label}_{opts.model_name}_{page}"
    try:
        return Crumb(title=title, url=reverse(name, args=args))
    except NoReverseMatch:
        return None


def _known(crumbs: list[Crumb | None]) -> tuple[Crumb, ...]:
    return tuple(crumb for crumb in crumbs if crumb)


def _capital(words: object) -> str:
    return capfirst(str(words))


@register.filter(is_safe=True)
def labels_as_headings(table: str) -> str:
    """A list's HTML, its cells labelled on a phone as its columns are headed."""
    return _LABEL.sub(lambda letter: letter[0].upper(), table)
