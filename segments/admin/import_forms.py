"""What somebody says of a file on the page of its import."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import chain
from typing import Any
from zoneinfo import available_timezones

import phonenumbers
from django import forms
from django.conf import settings
from django.utils.datastructures import MultiValueDict
from unfold.widgets import UnfoldAdminFileFieldWidget

from segments.dictionary import catalog
from segments.dictionary.catalog import Name
from segments.imports import storing
from segments.imports.mapping import columns, messages, suggestions, types
from segments.imports.mapping.columns import Column, Guess
from segments.imports.mapping.messages import ColumnUse, Plan
from segments.models import Import, Source

Choices = Sequence[tuple[str, str]]
# A source that is made where nobody chose one.
OWN_SOURCE = "Imports"
EMPTY: Choices = (
    (messages.KEEP, "keeps what is known"),
    (messages.CLEAR, "clears it"),
)
MAKES: Choices = ((messages.PEOPLE, "People"), (messages.EVENTS, "Events"))


class UploadForm(forms.Form):
    """The theme's own file input, whose script wants its own markup."""

    file = forms.FileField(
        widget=UnfoldAdminFileFieldWidget(
            attrs={
                "accept": ".csv,.tsv,.txt,.jsonl,.ndjson,.json,.parquet",
                "aria-describedby": "file-help file-error",
            }
        )
    )


def upload_form() -> UploadForm:
    """A form whose script knows how large a file may be, in bytes."""
    form = UploadForm()
    form.fields["file"].widget.attrs["data-most"] = settings.IMPORT_MAX_BYTES
    return form


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnRow:
    """A column on the page: what it has, what it becomes, and what is wrong with that."""

    index: int
    name: str
    examples: Sequence[str]
    percent: int
    use: ColumnUse
    guess: Guess
    types: Choices
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingForm:
    """The whole question, with its answers so far; `error` is about all of it."""

    plan: Plan
    rows: Sequence[ColumnRow]
    targets: Choices
    zones: Sequence[str]
    countries: Choices
    sources: Sequence[Source]
    source: str
    # What is offered as a column's name.
    known: Sequence[Name]
    error: str = ""

    @property
    def is_valid(self) -> bool:
        return not self.error and not any(row.error for row in self.rows)


def blank(imported: Import, makes: str) -> MappingForm:
    """What it was decided to be, or else most likely is."""
    kept = Plan.from_json(imported.plan) if imported.plan else None
    if kept is not None and kept.makes == makes:
        plan = kept
    else:
        known = [Column(**column) for column in imported.columns]
        is_typed = storing.format_of(imported).is_typed
        names = [one.name for one in _known_names(makes)]
        uses = suggestions.suggest(known, is_typed, makes, names)
        zone = settings.TIME_ZONE if settings.TIME_ZONE in _zones() else "UTC"
        plan = Plan(columns=uses, makes=makes, zone=zone)
    return _form(imported, plan, _chosen(imported), {})


def bound(imported: Import, data: MultiValueDict[str, str]) -> MappingForm:
    """What was typed, with what is wrong with it."""
    makes = data.get("makes", "")
    makes = makes if makes in dict(MAKES) else messages.PEOPLE
    uses = [
        ColumnUse(
            to=_one_of(data.get(f"to-{i}", ""), messages.TARGETS[makes]),
            name=data.get(f"name-{i}", "").strip(),
            type=_one_of(data.get(f"type-{i}", ""), types.LABELS),
        )
        for i in range(len(imported.columns))
    ]
    zone = data.get("zone", "")
    plan = Plan(
        columns=tuple(map(_without_what_is_unused, uses)),
        makes=makes,
        event=data.get("event", "").strip(),
        empty=_one_of(data.get("empty", ""), dict(EMPTY)) or messages.KEEP,
        zone=zone if zone in _zones() else "UTC",
        country=_one_of(data.get("country", ""), dict(_countries())),
    )
    labels = [column["name"] for column in imported.columns]
    found = messages.problems_of(plan, labels)
    return _form(imported, plan, data.get("source", ""), found)


def source_of(form: MappingForm) -> Source:
    """The source that was chosen, or the imports' own, made where there is none."""
    if form.source:
        return next(s for s in form.sources if str(s.pk) == form.source)
    # Without a write key: nobody else sends in its name.
    return Source.objects.get_or_create(name=OWN_SOURCE)[0]


def _form(
    imported: Import, plan: Plan, source: str, found: Mapping[int | None, str]
) -> MappingForm:
    is_typed = storing.format_of(imported).is_typed
    rows = max(imported.rows or 0, 1)
    shown = []
    for index, (kept, use) in enumerate(
        zip(imported.columns, plan.columns, strict=True)
    ):
        column = Column(**kept)
        guess = columns.guess(column, is_typed)
        shown.append(
            ColumnRow(
                index=index,
                name=column.name or f"Column {index + 1}",
                examples=column.examples,
                percent=column.filled * 100 // rows,
                use=use if use.name else replace(use, name=_name(column)),
                guess=guess,
                types=_types(is_typed, guess),
                error=found.get(index, ""),
            )
        )
    sources = list(Source.objects.filter(is_active=True).order_by("name"))
    known = {str(one.pk) for one in sources}
    return MappingForm(
        plan=plan,
        rows=shown,
        targets=(("", "Leave out"), *messages.TARGETS[plan.makes].items()),
        zones=_zones(),
        countries=_countries(),
        sources=sources,
        source=source if source in known else "",
        known=_known_names(plan.makes),
        error=found.get(None, ""),
    )


def _known_names(makes: str) -> Sequence[Name]:
    """The dictionary's attributes; of events the properties of any, each once."""
    if makes == messages.PEOPLE:
        return [one for one in catalog.attributes() if one.last_seen]
    found = chain.from_iterable(catalog.properties().values())
    return list({one.name: one for one in found}.values())


def _without_what_is_unused(use: ColumnUse) -> ColumnUse:
    return use if use.to in messages.NAMED else replace(use, name="")


def _name(column: Column) -> str:
    return suggestions.attribute_name(column.name)


def _chosen(imported: Import) -> str:
    if imported.source_id:
        return str(imported.source_id)
    own = Source.objects.filter(name=OWN_SOURCE, is_active=True).first()
    return str(own.pk) if own else ""


def _types(is_typed: bool, guess: Guess) -> Choices:
    """Without a type where somebody has to choose."""
    first: Choices = [("", "Choose:")] if not guess.type else []
    return [
        *first,
        *(
            (type, label)
            for type, label in types.LABELS.items()
            if is_typed or type != types.AS_IS
        ),
    ]


def _one_of(value: str, known: Mapping[str, Any]) -> str:
    return value if value in known else ""


@cache
def _zones() -> Sequence[str]:
    return sorted(available_timezones())


@cache
def _countries() -> Choices:
    regions = sorted(phonenumbers.SUPPORTED_REGIONS)
    return (
        ("", "The numbers begin with +"),
        ("+", "They begin with the country’s code, without +"),
        *(
            (region, f"{region} (+{phonenumbers.country_code_for_region(region)})")
            for region in regions
        ),
    )
