"""Segments: a rule in rows, the sentence that it makes, and who is in."""

from functools import partial
from typing import Any

from django.contrib import admin
from django.contrib.auth.models import User
from django.db import models, transaction
from django.forms import Script
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path
from django.utils.text import capfirst

from lemnisk_braze.lib.counted import counted
from lemnisk_braze.lib.filtering import OfferedFilters
from lemnisk_braze.lib.form_changes import ChangesInWords, Words
from lemnisk_braze.lib.names import free_name
from lemnisk_braze.lib.pages.deleting import NAMED, CarefulDelete, Dependant, Instead
from lemnisk_braze.lib.pages.rows import as_id
from segments import naming
from segments.admin import explanation
from segments.admin.asking import AsksFirst, describe, proposal_of
from segments.admin.life import LifePages
from segments.admin.life.filters import OwnerFilter, StateFilter, TagFilter, state_badge
from segments.admin.life.warehouse import feeds_of
from segments.builder import examples, size
from segments.builder.form_data import form_data
from segments.dictionary import catalog
from segments.forms import WORDS, SegmentForm
from segments.life import natures
from segments.membership import counting, rule_changes
from segments.membership.references import graph
from segments.models import Membership, Segment, Transition, UploadedList

SAMPLE = 10
# Entries among which those are looked for who came last.
LAST_ENTRIES = 200
SUPPRESSES = "All Engagements: none sends to its people. End the suppression first."


@admin.register(Segment)
class SegmentAdmin(AsksFirst, LifePages, ChangesInWords, CarefulDelete, OfferedFilters):
    form = SegmentForm
    list_display = ["name", "sentence", "people", state_badge, "tagged", "owner"]
    list_filter = [StateFilter, TagFilter, "priority", OwnerFilter]
    list_select_related = ["owner"]
    list_filter_submit = False
    search_fields = ["name"]
    search_help_text = "A part of a name."
    fields = ["name", "description", "rule", "is_active", "tags", "priority", "owner"]
    list_before_template = "segments/life/list_links.html"
    change_form_template = "admin/segments/segment/change_form.html"
    warn_unsaved_form = True

    class Media:
        js = [Script("segments/rule_builder.js", type="module")]

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("size/", wrap(size.view), name="segments_segment_size"),
            path("examples/", wrap(examples.view), name="segments_segment_examples"),
            path(
                "<int:segment_id>/explanation/",
                wrap(partial(explanation.view, site=self.admin_site)),
                name="segments_segment_explanation",
            ),
            *self.life_urls(),
            *super().get_urls(),
        ]

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Of ?list=ID those who are on a list; nothing else is taken from the address."""
        id = as_id(request.GET.get("list", ""))
        of = UploadedList.objects.filter(pk=id).first() if id else None
        if of is None:
            return {}
        name = free_name(of.name, Segment)
        return {"name": name, "rule": {"all": [{"list": of.pk}]}}

    def has_change_permission(
        self, request: HttpRequest, obj: Segment | None = None
    ) -> bool:
        """Not of an archived one: that is only read."""
        may: bool = super().has_change_permission(request, obj)
        return may and not (obj and obj.archived_at)

    def formfield_for_foreignkey(
        self, db_field: Any, request: HttpRequest, **kwargs: Any
    ) -> Any:
        if db_field.name == "owner":
            kwargs["queryset"] = User.objects.filter(is_active=True)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def get_form(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        form = super().get_form(request, *args, **kwargs)
        if owner := form.base_fields.get("owner"):
            # Accounts are made elsewhere.
            owner.widget.can_add_related = owner.widget.can_change_related = False
            owner.widget.can_delete_related = owner.widget.can_view_related = False
        return form

    @admin.display(description="rule")
    def sentence(self, segment: Segment) -> str:
        return describe(segment)

    @admin.display(description="tags")
    def tagged(self, segment: Segment) -> str:
        return ", ".join(segment.tags) or "–"

    def words_of(self) -> dict[str, Words]:
        return {"rule": _rule_in_words, "tags": ", ".join}

    @admin.display(description="people", ordering="size")
    def people(self, segment: Segment) -> str:
        if segment.problem:
            return "cannot be counted"
        if not segment.is_active and not segment.refreshed_at:
            return "not counted"
        return f"{segment.size:,}" if segment.refreshed_at else "being counted"

    def save_model(
        self,
        request: HttpRequest,
        obj: Any,
        form: Any,
        change: bool,
    ) -> None:
        # `size` belongs to whoever counts, perhaps right now.
        fields = {*WORDS, *counting.CHANGED}
        if not change and obj.owner is None:
            obj.owner = request.user
        obj.save(update_fields=fields if change else None)
        before = form.initial.get("rule") if change else None
        rule_changes.record(obj, request.user, before=before)
        counting.count_soon(obj)

    def response_add(
        self, request: HttpRequest, obj: Segment, post_url_continue: str | None = None
    ) -> HttpResponse:
        """Saved, the next step is on the segment's own page: its people, a channel."""
        answer: HttpResponse = super().response_add(request, obj, post_url_continue)
        is_saved_only = "_save" in request.POST and "_popup" not in request.POST
        if is_saved_only and self.has_view_or_change_permission(request, obj):
            return HttpResponseRedirect(obj.get_absolute_url())
        return answer

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        segment = self.get_object(request, object_id) if object_id else None
        context: dict[str, Any] = {
            "rule_data": form_data(segment),
        }
        if segment is not None and request.method == "GET":
            context |= _panels(request, segment)
        return super().changeform_view(
            request, object_id, form_url, {**(extra_context or {}), **context}
        )

    def users_of(self, obj: Segment) -> list[Dependant]:
        """What forbids to delete it: other segments, rows of apps above, whatever."""
        asking = graph.segments_that_ask("segment", [obj.pk])
        found = [
            Dependant(name=f"Segment: {one}", url=one.get_absolute_url())
            for one in asking[:NAMED]
        ]
        if obj.is_suppression:
            found.append(Dependant(name=SUPPRESSES))
        for relation in Segment._meta.related_objects:
            if relation.on_delete is models.PROTECT:
                manager = relation.related_model._base_manager
                users = manager.filter(**{relation.field.name: obj})[:NAMED]
                name = capfirst(relation.related_model._meta.verbose_name)
                found += [
                    Dependant(name=f"{name}: {user}", url=user.get_absolute_url())  # type: ignore[attr-defined]
                    for user in users
                ]
        return found

    def delete_queryset(
        self, request: HttpRequest, queryset: models.QuerySet[Segment]
    ) -> None:
        with transaction.atomic():
            # All of them before the first keeps rules from being saved.
            chosen = Segment.objects.filter(pk__in=queryset.values("pk"))
            list(chosen.order_by("pk").select_for_update())
            super().delete_queryset(request, queryset)

    def goes_with(self, obj: Segment) -> str:
        return f"the list of its {counted(obj.size, 'person', 'people')} and who entered and left when"

    def instead(self, request: HttpRequest, obj: Segment) -> Instead:
        return Instead(
            text="Archived, it is out of the way and keeps its people and its history; "
            "switched off (“Live” on its page), nobody enters or leaves any more.",
            label="Open the segment",
            url=obj.get_absolute_url(),
        )


def _rule_in_words(rule: Any) -> str:
    return describe(Segment(rule=rule))


def _newest(segment: Segment) -> list[Membership]:
    """The SAMPLE people who came last.

    The log has who came, by its index, and most of those are still in: of memberships
    none is by time, and those of a large segment would all be sorted.
    """
    entries = segment.transitions.filter(kind=Transition.Kind.ENTRY).order_by("-pk")
    came = entries.values_list("profile_id", flat=True)[:LAST_ENTRIES]
    members = segment.memberships.select_related("profile").order_by("-since", "-pk")
    newest = list(members.filter(profile__in=list(came))[:SAMPLE])
    return newest if len(newest) == SAMPLE else list(members[:SAMPLE])


def _panels(request: HttpRequest, segment: Segment) -> dict[str, Any]:
    may_see = naming.may_see_people(request.user)
    return {
        "sentence": describe(segment),
        "nature": natures.of(segment),
        "feeds": feeds_of(segment),
        "never_seen": catalog.never_seen(segment.rule),
        "sample": _newest(segment) if may_see else None,
        "proposal": proposal_of(segment),
        "channel_templates": [
            "engagements/segment_channels.html",
            "segments/no_channels.html",
        ],
    }
