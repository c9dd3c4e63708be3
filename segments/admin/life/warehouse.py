"""Segments of a warehouse: a query of a SQL source's database says who is in."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.db.models.functions import Now
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from lemnisk_braze.lib.names import free_name, one_line
from lemnisk_braze.lib.pages.context import context_of
from lemnisk_braze.lib.pages.rows import as_id, row_of
from segments import naming, wakeup
from segments.admin.feeds import UNANSWERED, cells
from segments.imports.feeding import preview
from segments.lists import reading
from segments.membership import counting, rule_changes
from segments.models import ListFeed, Segment, SourceQuery, UploadedList
from segments.rules import tree

# It signs in as the source does: who may change that may ask in its name.
ASK = "segments.change_sourcequery"
MAX_QUERY = 50_000
ASKED = frozenset({"source", "query", "column"})
# What the button that saves nothing posts.
ROWS = "_rows"
EMPTY = "That is taken for a mistake: whoever is in stays."
TITLE = "A segment from a warehouse"


class WarehouseForm(forms.ModelForm):  # type: ignore[type-arg]
    """What is asked; of a new one also its name, and what its column holds."""

    name = forms.CharField(max_length=255, widget=UnfoldAdminTextInputWidget)
    kind = forms.ChoiceField(
        label="What the column holds",
        widget=UnfoldAdminSelectWidget,
        help_text="The identifier that people are found by.",
    )

    class Meta:
        model = ListFeed
        fields = ["name", "source", "query", "column", "kind", "every"]
        widgets = {
            "source": UnfoldAdminSelectWidget,
            "query": UnfoldAdminTextareaWidget(
                attrs={"rows": 8, "class": "lb-code", "spellcheck": "false"}
            ),
            "column": UnfoldAdminTextInputWidget,
            "every": UnfoldAdminSelectWidget,
        }
        help_texts = {
            "source": "A SQL source: its database is asked, with its address.",
            "query": "One SELECT. Who is in its rows is in the segment; who is not any "
            "more leaves it.",
            "column": "The column of the result with the identifier, such as email.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["kind"].choices = reading.kinds()  # type: ignore[attr-defined]
        self.fields["source"].queryset = SourceQuery.objects.order_by("name")  # type: ignore[attr-defined]
        self.fields["source"].empty_label = "Choose a SQL source"  # type: ignore[attr-defined]
        if self.instance.pk:
            del self.fields["name"], self.fields["kind"]

    def clean_name(self) -> str:
        name = one_line(self.cleaned_data["name"])
        if Segment.objects.filter(name=name).exists():
            raise ValidationError("There is a segment with this name.")
        return name

    def clean_query(self) -> str:
        query: str = self.cleaned_data["query"]
        if len(query.encode()) > MAX_QUERY:
            raise ValidationError(f"A query has at most {MAX_QUERY:,} bytes.")
        return query


class WarehousePages:
    """Mixed into the segment's admin."""

    admin_site: Any
    opts: Any
    has_add_permission: Any
    log_addition: Any
    log_change: Any

    def warehouse_view(self, request: HttpRequest) -> HttpResponse:
        """Make a segment of a query."""
        if not (self.has_add_permission(request) and request.user.has_perm(ASK)):
            raise PermissionDenied
        form = WarehouseForm(request.POST or None)
        if ROWS in request.POST:
            return self._warehouse_page(request, form, TITLE, rows=_rows(request, form))
        if request.method == "POST" and form.is_valid():
            segment, feed = _make(form, request)
            self.log_addition(request, segment, "Made of a query of a database.")
            self._told(request, feed, f"“{segment}” is made.")
            return HttpResponseRedirect(segment.get_absolute_url())
        return self._warehouse_page(request, form, TITLE)

    def feed_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Change what is asked for a segment, or ask now (`_ask`).

        Of several lists that it asks for ?feed= says which; else it is the first.
        """
        segment = row_of(self, request, pk, "change")
        feeds = ListFeed.objects.filter(of__in=list_ids(segment)).order_by("pk")
        if (asked := as_id(request.GET.get("feed", ""))) is not None:
            feeds = feeds.filter(pk=asked)
        if (feed := feeds.first()) is None:
            raise Http404
        if not request.user.has_perm(ASK):
            raise PermissionDenied
        if "_ask" in request.POST:
            self.log_change(request, segment, "Had its database asked.")
            self._told(request, feed, "")
            return HttpResponseRedirect(segment.get_absolute_url())
        form = WarehouseForm(request.POST or None, instance=feed)
        title = f"What is asked for “{segment}”"
        if ROWS in request.POST:
            rows = _rows(request, form)
            return self._warehouse_page(request, form, title, segment, rows)
        if request.method == "POST" and form.is_valid():
            saved = form.save()
            if ASKED & set(form.changed_data):
                # What comes first waits for a decision: nobody has seen it.
                ListFeed.objects.filter(pk=saved.pk).update(changed_at=Now())
                messages.info(
                    request,
                    "What the changed query gives waits on the list’s page until "
                    "somebody has seen what it would do. Until then the list stays.",
                )
            changed = ", ".join(form.changed_data) or "nothing"
            self.log_change(request, segment, f"Changed what is asked: {changed}.")
            self._told(request, saved, "Saved.")
            return HttpResponseRedirect(segment.get_absolute_url())
        return self._warehouse_page(request, form, title, segment)

    def _told(self, request: HttpRequest, feed: ListFeed, done: str) -> None:
        if wakeup.ask_for_list(feed.pk, by_hand=True):
            messages.success(request, f"{done} A worker asks the database now.".strip())
        else:
            messages.error(request, f"{done} No worker could be told; try again.")

    def _warehouse_page(
        self,
        request: HttpRequest,
        form: WarehouseForm,
        title: str,
        segment: Segment | None = None,
        rows: Mapping[str, object] | None = None,
    ) -> HttpResponse:
        context = context_of(self.admin_site, request, title, segment or Segment) | {
            "form": form,
            "back": segment.get_absolute_url()
            if segment
            else reverse("admin:segments_segment_changelist"),
            "has_sources": SourceQuery.objects.exists(),
            "is_asked": rows is not None,
            **(rows or {}),
        }
        template = "segments/life/warehouse.html"
        response = TemplateResponse(request, template, context)
        response["Cache-Control"] = "no-store"
        return response


def _rows(request: HttpRequest, form: WarehouseForm) -> Mapping[str, object]:
    """The first rows of what is typed, for the page; what is not asked may be missing."""
    form.full_clean()
    for name in form.errors.keys() - ASKED:
        del form.errors[name]
    if form.errors:
        return {"problem": "Correct what is marked above first."}
    asked = form.cleaned_data
    kind = asked.get("kind") or form.instance.of.kind
    holds = dict(reading.kinds()).get(kind, kind)
    is_masked = not naming.may_see_people(request.user)
    try:
        found = preview.ask_for_list(
            asked["source"], asked["query"], asked["column"], holds
        )
    except UNANSWERED as e:
        return {"problem": str(e)}
    rows = cells(found, is_masked=is_masked)
    return {"found": found, "rows": rows, "is_masked": is_masked, "empty": EMPTY}


def list_ids(segment: Segment) -> list[int]:
    """The lists that the segment's rule asks for."""
    try:
        return [c["list"] for c in tree.conditions(segment.rule) if "list" in c]
    except (AttributeError, TypeError):
        return []


def feeds_of(segment: Segment) -> list[ListFeed]:
    """What keeps these lists."""
    found = ListFeed.objects.filter(of__in=list_ids(segment))
    feeds = list(found.select_related("of", "source").order_by("of__name"))
    for feed in feeds:
        feed.last_upload = feed.of.uploads.order_by("-pk").first()  # type: ignore[attr-defined]
    return feeds


@transaction.atomic
def _make(form: WarehouseForm, request: HttpRequest) -> tuple[Segment, ListFeed]:
    cleaned = form.cleaned_data
    of = UploadedList.objects.create(
        # Lists have names of their own.
        name=free_name(cleaned["name"], UploadedList),
        kind=cleaned["kind"],
        created_by_id=request.user.pk,
    )
    feed: ListFeed = form.save(commit=False)
    feed.of, feed.made_by_id = of, request.user.pk
    feed.save()
    segment = Segment(
        name=cleaned["name"], rule={"list": of.pk}, owner_id=request.user.pk
    )
    counting.mark_changed(segment)
    segment.save()
    rule_changes.record(segment, request.user, note="Made of a query.")
    counting.count_soon(segment)
    return segment, feed
