"""What the list of deliveries may be filtered by."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.text import capfirst
from unfold.contrib.filters.admin import TextFilter
from unfold.contrib.filters.forms import SearchForm
from unfold.widgets import UnfoldAdminTextInputWidget

from engagements.models import Delivery, Engagement, Run
from engagements.reporting import finding, reports
from lemnisk_braze.lib.pages.rows import as_id


class EngagementFilter(admin.SimpleListFilter):
    """One engagement's deliveries."""

    title = "engagement"
    parameter_name = "run__engagement__id__exact"

    def lookups(
        self, request: HttpRequest, model_admin: Any
    ) -> Iterable[tuple[str, str]]:
        rows = Engagement.objects.order_by("name").values_list("pk", "name")
        return [(str(pk), name) for pk, name in rows]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Delivery]
    ) -> QuerySet[Delivery]:
        if (pk := _number(request, self.parameter_name)) is None:
            return queryset
        return finding.of_runs(queryset, Run.objects.filter(engagement=pk))


class RunFilter(admin.SimpleListFilter):
    """One run's deliveries: the newest runs, and the one that is chosen."""

    title = "run"
    parameter_name = "run__id__exact"
    engagement_name = EngagementFilter.parameter_name

    def lookups(
        self, request: HttpRequest, model_admin: Any
    ) -> Iterable[tuple[str, str]]:
        runs = Run.objects.select_related("engagement").order_by("-pk")
        if (engagement := _number(request, self.engagement_name)) is not None:
            runs = runs.filter(engagement=engagement)
        newest = list(runs[:20])
        chosen = _number(request, self.parameter_name)
        if chosen is not None and chosen not in {run.pk for run in newest}:
            newest += Run.objects.select_related("engagement").filter(pk=chosen)
        return [(str(run.pk), str(run)) for run in newest]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Delivery]
    ) -> QuerySet[Delivery]:
        if (pk := _number(request, self.parameter_name)) is not None:
            return finding.of_runs(queryset, Run.objects.filter(pk=pk))
        return queryset


class _ByName(admin.SimpleListFilter):
    """The rows that have the number under the parameter's own name."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        name = str(self.parameter_name)
        pk = _number(request, name)
        return queryset if pk is None else queryset.filter(**{name: pk})


class BatchEngagementFilter(_ByName, EngagementFilter):
    """One engagement's batches."""


class BatchRunFilter(_ByName, RunFilter):
    """One run's batches."""


class AttemptEngagementFilter(BatchEngagementFilter):
    """The attempts of one engagement's batches."""

    parameter_name = f"batch__{EngagementFilter.parameter_name}"


class AttemptRunFilter(BatchRunFilter):
    """The attempts of one run's batches."""

    parameter_name = f"batch__{RunFilter.parameter_name}"
    engagement_name = AttemptEngagementFilter.parameter_name


class SkipFilter(admin.SimpleListFilter):
    """Why somebody was skipped: what a report's numbers ask for."""

    title = "reason for skipping"
    parameter_name = "reason__startswith"

    def lookups(
        self, request: HttpRequest, model_admin: Any
    ) -> Iterable[tuple[str, str]]:
        return reports.SKIP_REASONS.items()

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Delivery]
    ) -> QuerySet[Delivery]:
        if not (code := self.value()):
            return queryset
        skipped = queryset.filter(state=Delivery.State.SKIPPED)
        runs = Run.objects.all()
        run = _number(request, RunFilter.parameter_name)
        engagement = _number(request, EngagementFilter.parameter_name)
        if run is not None:
            runs = runs.filter(pk=run)
        elif engagement is not None:
            runs = runs.filter(engagement=engagement)
        return finding.skipped_for(code, skipped, runs)


class MomentForm(SearchForm):
    """A time to the minute, in the browser's own calendar."""

    def __init__(self, name: str, label: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(name, label, *args, **kwargs)
        zone = timezone.get_current_timezone_name()
        title = capfirst(label.strip().removeprefix("By "))
        self.fields[name] = forms.CharField(
            label=f"{title} ({zone})",
            required=False,
            widget=UnfoldAdminTextInputWidget(attrs={"type": "datetime-local"}),
        )


class MomentFilter(TextFilter):
    """Deliveries that last changed on one side of a time."""

    form_class = MomentForm
    lookup = ""

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Delivery]
    ) -> QuerySet[Delivery]:
        if not (text := self.value()):
            return queryset
        at = _moment(text)
        if at is None:
            raise IncorrectLookupParameters(f"“{text}” is not a time.")
        return queryset.filter(**{self.lookup: at})


class SinceFilter(MomentFilter):
    title = "changed since"
    parameter_name = "since"
    lookup = "updated_at__gte"


class BeforeFilter(MomentFilter):
    title = "changed before"
    parameter_name = "before"
    lookup = "updated_at__lt"

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Delivery]
    ) -> QuerySet[Delivery]:
        found = super().queryset(request, queryset)
        at = _moment(self.value() or "")
        return found if at is None else finding.written_before(at, found)


class ReasonFilter(TextFilter):
    title = "words of the reason"
    parameter_name = "why"

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Delivery]
    ) -> QuerySet[Delivery]:
        text = self.value()
        return queryset.filter(reason__icontains=text) if text else queryset


def _number(request: HttpRequest, name: str) -> int | None:
    return as_id(request.GET.get(name, ""))


def _moment(text: str) -> datetime | None:
    try:
        found = parse_datetime(text)
    except ValueError:
        return None
    if found is None or timezone.is_aware(found):
        return found
    return timezone.make_aware(found)
