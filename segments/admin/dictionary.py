"""The dictionary: every name that data came under, and what is said of it."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from unfold.decorators import display

from lemnisk_braze.lib import database_clock
from lemnisk_braze.lib.filtering import OfferedFilters
from lemnisk_braze.lib.form_changes import ChangesInWords
from lemnisk_braze.lib.keyset import KeysetList
from lemnisk_braze.lib.pages.confirm import Question, confirm
from lemnisk_braze.lib.pages.share_bar import share_bar
from segments import naming
from segments.admin.dictionary_form import DictionaryForm
from segments.dictionary import catalog, examples, uses, values, writing
from segments.models import DictionaryBuild, DictionaryEntry, Source, ValueType

Kind = DictionaryEntry.Kind
CONFIRM = "_confirm"
UNPLANNED, MISMATCHED = "Unplanned", "Other types came"
STATES = {
    UNPLANNED: "neutral",
    MISMATCHED: "danger",
    "Hidden": "neutral",
    "Planned": "success",
}
IS_PERSONAL = Q(is_personal=True) | (Q(is_personal=None) & ~Q(looks_personal=""))
IS_UNPLANNED = Q(is_planned=False, is_hidden=False)
# In days: who has not come for so long is probably not sent any more.
LONG = 30
# So many of an event's properties stand on its page.
MOST_PROPERTIES = 200


class _Choice(admin.SimpleListFilter):
    """A filter of a few conditions: value → (label, condition)."""

    conditions: Mapping[str, tuple[str, Q]]

    def lookups(
        self, request: HttpRequest, model_admin: Any
    ) -> Iterable[tuple[str, str]]:
        return [(value, label) for value, (label, _) in self.conditions.items()]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[DictionaryEntry]
    ) -> QuerySet[DictionaryEntry]:
        chosen = self.conditions.get(self.value() or "")
        return queryset.filter(chosen[1]) if chosen else queryset


class KindFilter(_Choice):
    """Events bring many properties, which stand on their pages: not here unless asked."""

    title = "what it is"
    parameter_name = "kind"
    conditions = {
        "all": ("Everything", Q()),
        "attribute": ("Attributes", Q(kind=Kind.ATTRIBUTE)),
        "event": ("Events", Q(kind=Kind.EVENT)),
        "property": ("Properties of events", Q(kind=Kind.PROPERTY)),
    }

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[DictionaryEntry]
    ) -> QuerySet[DictionaryEntry]:
        found = super().queryset(request, queryset)
        is_asked = self.value() or request.GET.get("q", "").strip()
        return found if is_asked else found.exclude(kind=Kind.PROPERTY)

    def choices(self, changelist: Any) -> Iterator[Any]:
        first, *others = super().choices(changelist)
        yield {**first, "display": "Attributes and events"}
        yield from others


class TypeFilter(_Choice):
    title = "has values that are"
    parameter_name = "type"
    conditions = {
        value: (label, Q(**{f"types__{n}__gt": 0}))
        for n, (value, label) in enumerate(ValueType.choices)
    }


class StateFilter(_Choice):
    title = "state"
    parameter_name = "state"
    conditions = {
        "unplanned": (UNPLANNED, IS_UNPLANNED),
        "planned": ("Planned", Q(is_planned=True)),
        "mismatched": (MISMATCHED, Q(mismatches__gt=0)),
        "hidden": ("Hidden", Q(is_hidden=True)),
    }


class PersonalFilter(_Choice):
    title = "personal data"
    parameter_name = "personal"
    conditions = {"yes": ("Yes", IS_PERSONAL), "no": ("No", ~IS_PERSONAL)}


class SourceFilter(admin.SimpleListFilter):
    title = "sent by"
    parameter_name = "sent_by"

    def lookups(
        self, request: HttpRequest, model_admin: Any
    ) -> Iterable[tuple[str, str]]:
        rows = Source.objects.order_by("name").values_list("pk", "name")
        return [(str(pk), name) for pk, name in rows]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[DictionaryEntry]
    ) -> QuerySet[DictionaryEntry]:
        chosen = self.value()
        return queryset.filter(sources__has_key=chosen) if chosen else queryset


class SeenFilter(admin.SimpleListFilter):
    title = "last seen"
    parameter_name = "seen"

    def lookups(
        self, request: HttpRequest, model_admin: Any
    ) -> Iterable[tuple[str, str]]:
        return [("lately", "In the last day"), ("long", f"Not for {LONG} days")]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[DictionaryEntry]
    ) -> QuerySet[DictionaryEntry]:
        if self.value() == "long":
            return queryset.filter(last_seen__lt=_ago(LONG))
        if self.value() == "lately":
            return queryset.filter(last_seen__gte=_ago(1))
        return queryset


@admin.register(DictionaryEntry)
class DictionaryEntryAdmin(KeysetList, ChangesInWords, OfferedFilters):
    form = DictionaryForm
    list_display = [
        "called",
        "kind",
        "type",
        "share",
        "times",
        "seen",
        "personal",
        "state",
    ]
    list_display_links = ["called"]
    list_filter = [
        KindFilter,
        StateFilter,
        TypeFilter,
        PersonalFilter,
        SourceFilter,
        SeenFilter,
    ]
    list_filter_submit = False
    search_fields = ["name", "description", "owner"]
    search_help_text = "A part of a name, of a description or of an owner."
    ordering = ["-count", "-id"]
    actions = ["mark_planned"]
    change_form_template = "admin/segments/dictionaryentry/change_form.html"
    change_list_template = "admin/segments/dictionaryentry/change_list.html"
    warn_unsaved_form = True

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(
        self, request: HttpRequest, obj: DictionaryEntry | None = None
    ) -> bool:
        return False

    def get_fields(
        self, request: HttpRequest, obj: DictionaryEntry | None = None
    ) -> list[str]:
        checks = ["expected_type", "on_mismatch"]
        own = ["is_personal", *checks] if obj and obj.kind != Kind.EVENT else []
        return ["description", "owner", *own, "is_planned", "is_hidden"]

    # --- The list -----------------------------------------------------------------

    def get_queryset(self, request: HttpRequest) -> QuerySet[DictionaryEntry]:
        found: QuerySet[DictionaryEntry] = super().get_queryset(request)
        of_event = DictionaryEntry.objects.filter(
            kind=Kind.EVENT, name=OuterRef("event")
        ).values("count")[:1]
        return found.annotate(event_count=Subquery(of_event))

    @admin.display(description="name")
    def called(self, entry: DictionaryEntry) -> str:
        return str(entry)

    @admin.display(description="mostly")
    def type(self, entry: DictionaryEntry) -> str:
        return "" if entry.kind == Kind.EVENT else catalog.type_of(entry)

    @admin.display(description="share")
    def share(self, entry: DictionaryEntry) -> str:
        return catalog.share_of(entry, getattr(entry, "event_count", None) or 0)

    @admin.display(description="times seen")
    def times(self, entry: DictionaryEntry) -> str:
        return _times(entry)

    @admin.display(description="last seen")
    def seen(self, entry: DictionaryEntry) -> str:
        return catalog.ago(entry.last_seen)

    @admin.display(description="personal data")
    def personal(self, entry: DictionaryEntry) -> str:
        if not entry.holds_personal_data:
            return ""
        return "yes" if entry.is_personal else entry.get_looks_personal_display()

    @display(description="state", label=STATES)
    def state(self, entry: DictionaryEntry) -> str:
        return _state(entry)

    @admin.action(description="These are planned", permissions=["change"])
    def mark_planned(
        self, request: HttpRequest, queryset: QuerySet[DictionaryEntry]
    ) -> None:
        rows = list(queryset.filter(is_planned=False))
        DictionaryEntry.objects.filter(pk__in=[row.pk for row in rows]).update(
            is_planned=True
        )
        for row in rows:
            self.log_change(request, row, "Planned: no → yes.")
        self.message_user(request, f"{len(rows)} marked as planned.")

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context = {
            "builds": DictionaryBuild.objects.filter(finished_at=None),
            "full": [*_full_sources()],
        }
        answer: HttpResponse = super().changelist_view(
            request, {**(extra_context or {}), **context}
        )
        return answer

    # --- One entry ----------------------------------------------------------------

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        entry = self.get_object(request, object_id) if object_id else None
        context: dict[str, Any] = {}
        if entry is not None and request.method == "POST":
            if asked := self._ask(request, entry):
                return asked
        elif entry is not None:
            context = _panels(request, entry)
        return super().changeform_view(
            request, object_id, form_url, {**(extra_context or {}), **context}
        )

    def _ask(self, request: HttpRequest, entry: DictionaryEntry) -> Any:
        """The question; None where there is none, or it was answered with yes."""
        if CONFIRM in request.POST or not self.has_change_permission(request, entry):
            return None
        stored = DictionaryEntry.objects.get(pk=entry.pk)
        form_class = self.get_form(request, entry, change=True)
        form = form_class(request.POST, instance=entry)
        if not form.is_valid() or not {"expected_type", "on_mismatch"} & set(
            form.changed_data
        ):
            return None
        if not (question := _question(request, stored, form.cleaned_data)):
            return None
        return confirm(self.admin_site, request, question, stored)

    def save_model(
        self, request: HttpRequest, obj: Any, form: Any, change: bool
    ) -> None:
        # What is counted belongs to whoever applies the inbox, perhaps right now.
        obj.save(update_fields=[*form.fields.keys() & DECIDED])


DECIDED = {
    "description",
    "owner",
    "is_personal",
    "expected_type",
    "on_mismatch",
    "is_planned",
    "is_hidden",
}


def _question(
    request: HttpRequest, entry: DictionaryEntry, wanted: Mapping[str, Any]
) -> Question | None:
    """Asked where what comes in these days would be cut or refused."""
    type, act = wanted["expected_type"], wanted["on_mismatch"]
    if not type or act == DictionaryEntry.Mismatch.FLAG:
        return None
    hit = _of_other_types(entry, type)
    if not hit:
        return None
    is_refusal = act == DictionaryEntry.Mismatch.REFUSE
    becomes = (
        "Each of these messages would have been refused, with all that it says. What is "
        f"refused is kept{_for_how_long()} on its source’s page, and can be sent in "
        "again."
        if is_refusal
        else "Each of these values would have been left out, and the rest of its message "
        "kept. What is left out is nowhere."
    )
    label = values.label(type)
    return Question(
        title=f"{'Refuse' if is_refusal else 'Leave out'} what is not {_a(label)}?",
        button="Refuse such messages" if is_refusal else "Leave such values out",
        tone="danger",
        back=entry.get_absolute_url(),
        words=[
            f"Since yesterday {hit:,} {'value' if hit == 1 else 'values'} of “{entry}” "
            f"came that {'was' if hit == 1 else 'were'} not {_a(label)} (about, where "
            "much came at once).",
            becomes,
        ],
        hidden={
            **{k: v for k, v in request.POST.items() if k != "csrfmiddlewaretoken"},
            CONFIRM: "1",
        },
    )


def _for_how_long() -> str:
    days = settings.RETENTION_REFUSED.days
    return f" for {days} days" if days else ""


def _of_other_types(entry: DictionaryEntry, expected: str) -> int:
    """How many values of yesterday and today (UTC) are not of the type."""
    today = database_clock.now().date()
    age = (today - entry.day).days if entry.day else 99
    if age > 1:
        return 0
    days = [entry.day_types] + ([entry.day_before_types] if age == 0 else [])
    fine = values.accepted(expected)
    return sum(
        count for day in days for place, count in enumerate(day) if place not in fine
    )


def _a(label: str) -> str:
    if label == "true or false":
        return label
    return f"an {label}" if label[0] in "aeiou" else f"a {label}"


def _ago(days: int) -> datetime:
    return database_clock.now() - timedelta(days=days)


def _state(entry: DictionaryEntry) -> str:
    if entry.is_hidden:
        return "Hidden"
    if entry.mismatches:
        return MISMATCHED
    return "Planned" if entry.is_planned else UNPLANNED


def _times(entry: DictionaryEntry) -> str:
    about = "about " if entry.is_count_estimated else ""
    return f"{about}{entry.count:,}"


def _panels(request: HttpRequest, entry: DictionaryEntry) -> dict[str, Any]:
    may_see = naming.may_see_people(request.user)
    of_event = DictionaryEntry.objects.filter(kind=Kind.EVENT, name=entry.event)
    event = of_event.first() if entry.kind == Kind.PROPERTY else None
    names = dict(Source.objects.values_list("pk", "name"))
    return {
        "title": str(entry),
        "heading": str(entry),
        "entry": entry,
        "event_entry": event,
        "times": _times(entry),
        "share": catalog.share_of(entry, event.count if event else 0),
        "seen": catalog.ago(entry.last_seen),
        "types": _types(entry),
        "examples": examples.of(entry) if may_see else None,
        "sources": [
            (names[int(pk)], datetime.fromisoformat(at))
            for pk, at in sorted(entry.sources.items(), key=lambda each: each[1])
            if int(pk) in names
        ],
        "properties": _properties(entry) if entry.kind == Kind.EVENT else (),
        "uses": uses.of(entry),
    }


def _types(entry: DictionaryEntry) -> list[tuple[str, SafeString, bool]]:
    """(label, its share as a bar, whether it is expected)."""
    whole = sum(entry.types)
    fine = values.accepted(entry.expected_type) if entry.expected_type else None
    found = []
    for type, count in entry.type_counts.items():
        is_expected = fine is None or values.PLACE[type] in fine
        tone = "info" if is_expected else "danger"
        if count:
            bar = share_bar(100 * count / whole, tone)
            found.append((values.label(type), bar, is_expected))
    return found


def _properties(event: DictionaryEntry) -> list[tuple[DictionaryEntry, str, str]]:
    """(entry, type, share) of an event's properties, the most frequent first."""
    rows = DictionaryEntry.objects.filter(kind=Kind.PROPERTY, event=event.name)
    return [
        (row, catalog.type_of(row), catalog.share_of(row, event.count))
        for row in rows.order_by("-count", "name")[:MOST_PROPERTIES]
    ]


def _full_sources() -> Iterable[str]:
    """What is said of each source that has brought as many names as are kept."""
    names = dict(Source.objects.values_list("pk", "name"))
    for source_id, kind, event, most in writing.full_budgets():
        what = {
            Kind.ATTRIBUTE: "attributes",
            Kind.EVENT: "events",
            Kind.PROPERTY: f"properties of “{event}”" if event else "properties",
        }[Kind(kind)]
        who = names.get(source_id, "What came before sources were kept")
        yield f"“{who}” has brought {most:,} {what}, as many as are listed."
