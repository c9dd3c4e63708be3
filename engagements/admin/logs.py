"""Runs, batches, deliveries and attempts: logs that are read, never edited."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display

from engagements.admin.actions import (
    BATCH_ACTS,
    RUN_ACTS,
    Act,
    act_view,
    buttons,
    missing,
    page_url,
)
from engagements.admin.deliveries.filters import (
    AttemptEngagementFilter,
    AttemptRunFilter,
    BatchEngagementFilter,
    BatchRunFilter,
    BeforeFilter,
    EngagementFilter,
    ReasonFilter,
    RunFilter,
    SinceFilter,
    SkipFilter,
)
from engagements.admin.deliveries.retry_and_export import ReplayMixin
from engagements.admin.guards.person import said_of
from engagements.admin.variants import VariantFilter, of_delivery, values_of
from engagements.authoring.preview import Preview, seen_by, what_was_sent
from engagements.models import Attempt, Batch, Delivery, Run
from engagements.payload import difference
from engagements.reporting import by_variant, history, reports, waiting
from lemnisk_braze.lib.filtering import OfferedFilters
from lemnisk_braze.lib.keyset import KeysetList
from lemnisk_braze.lib.pages.context import context_of
from segments import naming

RUN_TONES: dict[str, str] = {
    Run.State.EXPANDING: "info",
    Run.State.SENDING: "info",
    Run.LISTENING: "info",
    Run.ASKING: "warning",
    Run.State.COMPLETED: "success",
    Run.State.COMPLETED_WITH_ERRORS: "warning",
    Run.State.FAILED: "danger",
    Run.State.CANCELLED: "neutral",
}
BATCH_TONES: dict[str, str] = {
    Batch.State.PENDING: "info",
    Batch.State.LEASED: "info",
    Batch.State.SENDING: "info",
    Batch.State.RETRY: "warning",
    Batch.State.DONE: "success",
    Batch.State.SPLIT: "neutral",
    Batch.State.UNCERTAIN: "warning",
    Batch.State.DEAD: "danger",
    Batch.State.CANCELLED: "neutral",
}
PEOPLE_SHOWN = 100
# What the numbers of reports and the person page ask the delivery list for.
REPORT_LOOKUPS = frozenset(
    {
        "run__engagement__id__exact",
        "run__id__exact",
        "reason__startswith",
        "profile__id__exact",
        # What is left out of a report: who was tried again is counted there.
        "retry__isnull",
    }
)
TROUBLED = (Batch.State.UNCERTAIN, Batch.State.DEAD, Batch.State.RETRY)


class LogAdmin(KeysetList, OfferedFilters):
    """A list that cannot be changed, and a page of its own for each row."""

    actions = None
    acts: tuple[Act, ...] = ()
    page_template = ""
    ordering = ("-pk",)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_urls(self) -> list[URLPattern]:
        name = f"engagements_{self.opts.model_name}"
        acts = [
            path(
                f"<int:pk>/{act.name}/",
                self.admin_site.admin_view(self.act_view),
                {"act": act},
                name=f"{name}_{act.name}",
            )
            for act in self.acts
        ]
        return [*acts, *super().get_urls()]

    def act_view(self, request: HttpRequest, pk: int, act: Act) -> HttpResponse:
        obj = get_object_or_404(self.get_queryset(request), pk=pk)
        return act_view(self.admin_site, request, obj, act)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        obj = self.get_object(request, unquote(object_id))
        if not self.has_view_permission(request, obj):
            raise PermissionDenied
        if obj is None:
            return missing(self, request, object_id)
        context = context_of(self.admin_site, request, str(obj), obj)
        context["buttons"] = buttons(request, obj, self.acts)
        context |= self.page_context(request, obj)
        return TemplateResponse(request, self.page_template, context)

    def page_context(self, request: HttpRequest, obj: Any) -> Mapping[str, object]:
        raise NotImplementedError


class RunStateFilter(admin.SimpleListFilter):
    """A run's state in the word that its row and its page show."""

    title = "state"
    parameter_name = "state"

    def lookups(
        self, request: HttpRequest, model_admin: Any
    ) -> Iterable[tuple[str, str]]:
        for state, label in Run.State.choices:
            yield state, label
            if state == Run.State.SENDING:
                yield from Run.SHOWN

    def queryset(self, request: HttpRequest, queryset: QuerySet[Run]) -> QuerySet[Run]:
        asking = Q(waits_at_ceiling=True, state__in=Run.OPEN)
        listening = Q(state=Run.State.SENDING, is_standing=True) & ~asking
        match self.value():
            case None:
                return queryset
            case Run.LISTENING:
                return queryset.filter(listening)
            case Run.ASKING:
                return queryset.filter(asking)
            case state:
                return queryset.filter(~listening, ~asking, state=state)


@admin.register(Run)
class RunAdmin(LogAdmin):
    acts = RUN_ACTS
    page_template = "engagements/run.html"
    list_display = ("run", "state_badge", "kind", "started_at", "ended_at")
    list_filter = (RunStateFilter, "engagement")
    search_fields = ("engagement__name",)
    search_help_text = "A part of an Engagement’s name."

    @admin.display(description="run", ordering="scheduled_for")
    def run(self, run: Run) -> str:
        return str(run)

    @display(description="state", ordering="state", label=RUN_TONES)
    def state_badge(self, run: Run) -> tuple[str, str]:
        return run.shown_state, run.state_in_words

    @admin.display(description="whom it sends")
    def kind(self, run: Run) -> str:
        return run.kind_in_words

    def get_queryset(self, request: HttpRequest) -> QuerySet[Run]:
        runs: QuerySet[Run] = super().get_queryset(request)
        return runs.select_related("engagement", "version__external_api")

    def page_context(self, request: HttpRequest, obj: Run) -> Mapping[str, object]:
        troubled = obj.batches.filter(state__in=TROUBLED).order_by("state", "pk")
        return {
            "run": obj,
            "tone": RUN_TONES[obj.shown_state],
            "report": (report := reports.run_report(obj)),
            "comparison": by_variant.of_run(obj, report),
            **values_of(obj),
            "payload_rows": difference.since(obj),
            "troubled": list(troubled[:PEOPLE_SHOWN]),
        }


class WaitingFilter(admin.SimpleListFilter):
    """The batches whose people wait: what a report's number of them asks for."""

    title = "waiting people"
    parameter_name = "waiting"

    def lookups(
        self, request: HttpRequest, model_admin: Any
    ) -> Iterable[tuple[str, str]]:
        return [("yes", "Yes"), ("later", "Not due yet"), ("again", "To try again")]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Batch]
    ) -> QuerySet[Batch]:
        chosen = waiting.FILTERS.get(self.value() or "")
        return queryset if chosen is None else queryset.filter(chosen)


@admin.register(Batch)
class BatchAdmin(LogAdmin):
    acts = BATCH_ACTS
    page_template = "engagements/batch.html"
    list_display = (
        "batch",
        "state_badge",
        "people",
        "attempt_count",
        "next_attempt",
    )
    list_filter = (WaitingFilter, "state", BatchEngagementFilter, BatchRunFilter)
    list_before_template = "engagements/filtered_by.html"
    linked_lookups = REPORT_LOOKUPS

    @admin.display
    def next_attempt(self, batch: Batch) -> datetime | None:
        """None where there will be none: what is answered had its time."""
        waits = batch.state in (Batch.State.PENDING, Batch.State.RETRY)
        return batch.next_attempt_at if waits else None

    @admin.display
    def people(self, batch: Batch) -> str:
        return f"{len(batch.profile_ids) - len(batch.left_out):,}"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Batch]:
        batches: QuerySet[Batch] = super().get_queryset(request)
        return batches.select_related("run__engagement", "run__version__external_api")

    @admin.display(description="batch")
    def batch(self, batch: Batch) -> str:
        return str(batch)

    @display(description="state", ordering="state", label=BATCH_TONES)
    def state_badge(self, batch: Batch) -> tuple[str, str]:
        return batch.state, batch.get_state_display()

    def page_context(self, request: HttpRequest, obj: Batch) -> Mapping[str, object]:
        return {
            "batch": obj,
            "tone": BATCH_TONES[obj.state],
            "people": history.people_of(obj, PEOPLE_SHOWN),
            "attempts": obj.attempts.order_by("started_at"),
        }


@admin.register(Delivery)
class DeliveryAdmin(ReplayMixin, LogAdmin):
    page_template = "engagements/delivery.html"
    list_display = ("engagement", "state_badge", "updated_at")
    list_filter = (
        "state",
        SinceFilter,
        BeforeFilter,
        EngagementFilter,
        RunFilter,
        SkipFilter,
        VariantFilter,
    )
    linked_lookups = REPORT_LOOKUPS
    unindexed = ReasonFilter.parameter_name
    search_fields = ("profile__external_id__exact", "profile__email__exact")
    search_help_text = "A person’s whole external ID or e-mail."

    def get_queryset(self, request: HttpRequest) -> QuerySet[Delivery]:
        deliveries: QuerySet[Delivery] = super().get_queryset(request)
        return deliveries.select_related("profile__merged_into", "run__engagement")

    def get_list_display(self, request: HttpRequest) -> Sequence[Any]:
        @admin.display(description="reason")
        def why(delivery: Delivery) -> str:
            return reports.reason_for(delivery.reason, request.user) or "–"

        who = naming.column(request, lambda delivery: delivery.person)
        return (who, "engagement", "state_badge", why, "updated_at")

    # No question may tell what no column shows.

    def get_list_filter(self, request: HttpRequest) -> Sequence[Any]:
        state, *others = super().get_list_filter(request)
        asked = [ReasonFilter] if naming.may_see_people(request.user) else []
        return (state, *asked, *others)

    def get_search_fields(self, request: HttpRequest) -> Sequence[str]:
        if not naming.may_see_people(request.user):
            return ()
        fields: Sequence[str] = super().get_search_fields(request)
        return fields

    @admin.display(description="engagement")
    def engagement(self, delivery: Delivery) -> str:
        return str(delivery.run.engagement)

    @display(description="state", ordering="state", label=reports.TONES)
    def state_badge(self, delivery: Delivery) -> tuple[str, str]:
        return delivery.state, delivery.get_state_display()

    def page_context(self, request: HttpRequest, obj: Delivery) -> Mapping[str, object]:
        may_see = naming.may_see_people(request.user)
        who = naming.called(obj.person, request.user)
        return {
            "title": f"{who} in {obj.run.engagement}",
            # The path on top ends with the list: the page's own heading says who.
            "original": None,
            "delivery": obj,
            "tone": reports.TONES[obj.state],
            "explanation": reports.EXPLANATIONS[obj.state],
            "reason": reports.reason_for(obj.reason, request.user),
            **of_delivery(obj),
            "attempts": history.attempts_of(obj),
            "steps": said_of(obj) if may_see else [],
            "preview": _what_was_sent(request, obj)
            if may_see and obj.profile
            else None,
        }


class NotedFilter(admin.SimpleListFilter):
    """The requests that were taken with something odd about it."""

    title = "notes"
    parameter_name = "noted"

    def lookups(
        self, request: HttpRequest, model_admin: Any
    ) -> Iterable[tuple[str, str]]:
        return [("yes", "With a note")]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Attempt]
    ) -> QuerySet[Attempt]:
        return queryset.exclude(note="") if self.value() else queryset


@admin.register(Attempt)
class AttemptAdmin(LogAdmin):
    page_template = "engagements/attempt.html"
    ordering = ("-started_at",)
    list_display = (
        "started_at",
        "batch_link",
        "outcome_badge",
        "status",
        "objects",
        "took",
        "message",
        "note",
    )
    list_filter = ("outcome", NotedFilter, AttemptEngagementFilter, AttemptRunFilter)
    list_before_template = "engagements/filtered_by.html"

    def get_list_display(self, request: HttpRequest) -> Sequence[Any]:
        # What was answered may name somebody.
        shown: Sequence[str] = super().get_list_display(request)
        may_see = naming.may_see_people(request.user)
        return [n for n in shown if may_see or n not in ("message", "note")]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Attempt]:
        attempts: QuerySet[Attempt] = super().get_queryset(request)
        return attempts.select_related(
            "batch__run__engagement", "version__external_api"
        )

    @admin.display(description="batch")
    def batch_link(self, attempt: Attempt) -> SafeString:
        return link(attempt.batch)

    @display(description="outcome", ordering="outcome", label=reports.OUTCOME_TONES)
    def outcome_badge(self, attempt: Attempt) -> tuple[str, str]:
        return attempt.outcome, attempt.get_outcome_display()

    @admin.display(description="objects", ordering="item_count")
    def objects(self, attempt: Attempt) -> str:
        return f"{attempt.item_count:,}"

    @admin.display(description="took", ordering="duration_ms")
    def took(self, attempt: Attempt) -> str | None:
        ms = attempt.duration_ms
        return None if ms is None else f"{ms:,}\N{NO-BREAK SPACE}ms"

    def page_context(self, request: HttpRequest, obj: Attempt) -> Mapping[str, object]:
        return {"attempts": [obj], "attempt": obj}


def link(obj: Model) -> SafeString:
    """A link to the object's page, by its name."""
    return format_html('<a href="{}">{}</a>', page_url(obj), obj)


def _what_was_sent(request: HttpRequest, delivery: Delivery) -> Preview:
    connection = delivery.run.version.connection
    return seen_by(what_was_sent(delivery), connection, request.user)
