"""Choosing the winner of an engagement's variants, and the list's question about them."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse

from engagements.admin.actions import log
from engagements.lifecycle import winner
from engagements.models import Delivery, Engagement, Run
from engagements.reporting import by_variant, finding
from engagements.reporting.reports import Report
from engagements.variants import drawing, plan
from engagements.variants.plan import HELD_OUT, LETTERS, Variants
from externalapi.connections.access import why_not
from lemnisk_braze.lib.counted import counted
from lemnisk_braze.lib.pages.confirm import Question, confirm
from lemnisk_braze.lib.pages.rows import as_id

NAME = "engagements_engagement_winner"
PERMISSION = "engagements.activate_engagement"


def urls(site: admin.AdminSite) -> list[URLPattern]:
    def view(request: HttpRequest, pk: int) -> HttpResponse:
        return _view(site, request, pk)

    return [path("<int:pk>/winner/", site.admin_view(view), name=NAME)]


def compared(
    request: HttpRequest, engagement: Engagement, report: Report
) -> dict[str, Any]:
    """What the engagement's page shows of its variants."""
    variants = plan.of(engagement)
    may_choose = request.user.has_perm(PERMISSION)
    is_live = engagement.state != Engagement.State.DRAFT
    return {
        # Of a draft there is nothing to compare yet.
        "comparison": by_variant.of_engagement(engagement, report) if is_live else None,
        "winning": variants.winning,
        "winner_url": reverse(f"admin:{NAME}", args=[engagement.pk])
        if variants and may_choose and is_live
        else "",
    }


def values_of(run: Run) -> dict[str, Any]:
    """What a run's page shows of its values: A's, and those of others that differ."""
    variants = plan.of(run)
    others = [one for one in variants.variants if one.values]
    return {
        "values": _labelled_values(run, run.values),
        "other_values": [
            (str(one), _labelled_values(run, one.values)) for one in others
        ],
        "variants": plan.in_words(variants),
    }


def of_delivery(delivery: Delivery) -> dict[str, str]:
    """Which variant somebody was sent, and why they got it."""
    variants, person = plan.of(delivery.run), delivery.profile
    said = {"variant": variants.name(delivery.variant)}
    if person and delivery.variant:
        whose = delivery.run.engagement_id, person.merged_into_id or person.pk
        # Whoever became part of another since was drawn as another.
        if drawing.number(variants, *whose) == delivery.variant:
            said["variant_why"] = drawing.why(variants, *whose)
    return said


def _labelled_values(run: Run, values: Mapping[str, str]) -> list[tuple[str, str]]:
    """(label, value), in the order and the words of the engagement's form."""
    labels = {one.name: one.title for one in run.version.read_parameters()}
    # What the version does not know is shown by its name, at the end.
    names = sorted(values, key=lambda name: [*labels, name].index(name))
    return [(labels.get(name, name), values[name]) for name in names]


def _view(site: admin.AdminSite, request: HttpRequest, pk: int) -> HttpResponse:
    """Ask on GET, with numbers, do on POST: ?variant=LETTER, or none to go on testing."""
    if not request.user.has_perm(PERMISSION):
        raise PermissionDenied
    rows = Engagement.objects.select_related("segment", "version__connection")
    engagement = get_object_or_404(rows, pk=pk)
    variants, letter = plan.of(engagement), request.GET.get("variant", "")
    if not variants or letter not in ("", *variants.letters):
        messages.warning(request, "Nothing was changed: there is no such variant.")
        return redirect(engagement.get_absolute_url())
    refusal = why_not(engagement.version.connection, request.user)
    if request.method != "POST":
        question = _question(engagement, variants, letter, refusal)
        return confirm(site, request, question, engagement)
    if refusal:
        messages.error(request, f"Nothing was changed. {refusal}")
    else:
        _choose(request, engagement, variants, letter)
    return redirect(engagement.get_absolute_url())


def _choose(
    request: HttpRequest, engagement: Engagement, variants: Variants, letter: str
) -> None:
    if not winner.choose(engagement, letter, request.user):
        messages.info(request, "Nothing was changed: it is so already.")
        return
    if chosen := variants.by_letter(letter):
        words = (
            f"Variant {chosen} was chosen the winner: everybody gets it from now on."
        )
    else:
        words = (
            "Testing goes on: everybody gets again the variant that they were drawn for;"
            f" before, it was {variants.winning} for everybody."
        )
    log(request, engagement, words)
    messages.success(request, words)


def _question(
    engagement: Engagement, variants: Variants, letter: str, refusal: str
) -> Question:
    chosen = variants.by_letter(letter)
    if chosen:
        title = f"Choose {chosen} the winner?"
        what = "From now on everybody gets it."
        undo = (
            "“Go on testing” takes it back: then everybody gets what they got before."
        )
    else:
        title, what = "Go on testing?", "Everybody gets what they were drawn for."
        undo = "The winner can be chosen again at any time."
    return Question(
        title=title,
        button=f"Choose {chosen}" if chosen else "Go on testing",
        back=engagement.get_absolute_url(),
        words=[
            engagement.name,
            f"{what} {_affected(engagement, letter)}",
            WAITING,
            undo,
        ],
        refusal=refusal,
        tone="primary" if chosen else "default",
    )


WAITING = (
    "Whom a run has taken in already is sent what they were drawn for then. Where only"
    " what has changed is sent, another variant is a change."
)


def _affected(engagement: Engagement, letter: str) -> str:
    found = winner.affected(engagement, letter)
    about = "About " if found.is_about else ""
    return (
        f"{about}{found.people:,} of {counted(found.of, 'person', 'people')} in the"
        " segment now get another variant than today."
    )


class VariantFilter(admin.SimpleListFilter):
    """The deliveries of one variant: named where one engagement's are listed."""

    title = "variant"
    parameter_name = "variant__exact"

    def lookups(
        self, request: HttpRequest, model_admin: Any
    ) -> Iterable[tuple[str, str]]:
        pk = as_id(request.GET.get("run__engagement__id__exact", ""))
        found = Engagement.objects.filter(pk=pk).first() if pk is not None else None
        variants = plan.of(found) if found else plan.NONE
        numbers = range(1, len(LETTERS) + 1)
        return [(str(n), variants.name(n)) for n in (*numbers, HELD_OUT)]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Delivery]
    ) -> QuerySet[Delivery]:
        number = as_id(self.value() or "")
        if number is None:
            return queryset
        return finding.of_runs(queryset.filter(variant=number), _with(number))


def _with(number: int) -> QuerySet[Run]:
    """The runs in which somebody may have had this variant."""
    with_some = Run.objects.exclude(variants={})
    ids = [
        run.pk
        for run in with_some.only("variants")
        if number in {HELD_OUT, *(one.number for one in plan.of(run).variants)}
    ]
    return with_some.filter(pk__in=ids)
