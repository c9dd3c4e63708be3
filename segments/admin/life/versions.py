"""A segment's rules one after the other, what changed, and an old one back; its uses."""

from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse

from lemnisk_braze.lib.pages.confirm import Question, confirm
from lemnisk_braze.lib.pages.context import context_of
from lemnisk_braze.lib.pages.rows import as_id, row_of
from segments.admin import asking
from segments.life import differences, uses
from segments.life.differences import Line
from segments.membership import rule_changes
from segments.models import Segment, SegmentVersion
from segments.rules import tree

SHOWN = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One version: what it says, and what it changed; "" for the first one."""

    version: SegmentVersion
    sentence: str
    changed: str
    is_current: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two versions, and all lines of both."""

    old: SegmentVersion
    new: SegmentVersion
    lines: list[Line]


class VersionPages:
    """Mixed into the segment's admin."""

    admin_site: Any
    opts: Any
    has_change_permission: Any
    log_change: Any

    def versions_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        segment = row_of(self, request, pk)
        found = segment.versions.select_related("made_by").order_by("-number")
        shown = list(found[:SHOWN])
        context = {
            "title": f"Versions of “{segment}”",
            "rows": _rows(segment, shown),
            "versions": shown,
            "comparison": _comparison(request, shown),
            "can_restore": self.has_change_permission(request, segment),
        }
        return self.life_page(request, segment, "versions", context)

    def used_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        segment = row_of(self, request, pk)
        context = {
            "title": f"Where “{segment}” is used",
            "uses": uses.of(segment),
        }
        return self.life_page(request, segment, "used", context)

    @transaction.atomic
    def restore_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Take the rule of ?version=NUMBER back; asked about like any change of it."""
        row_of(self, request, pk, "change")
        segment = Segment.objects.select_for_update(no_key=True).get(pk=pk)
        back = HttpResponseRedirect(
            reverse("admin:segments_segment_versions", args=[pk])
        )
        number = as_id(request.GET.get("version", ""))
        if number is None:
            return back
        old = get_object_or_404(segment.versions, number=number)
        if problem := tree.problem(old.rule):
            messages.error(request, f"Nothing was restored. {problem}")
            return back
        if old.rule == segment.rule:
            messages.info(request, f"Nothing was changed: version {number} is current.")
            return back
        asked = asking.ask(
            self,
            request,
            segment,
            old.rule,
            segment.is_active,
            propose=partial(
                asking.propose, self, request, segment, old.rule, segment.is_active
            ),
        )
        if asked is not None:
            return asked
        if request.method != "POST":
            return _ask_plainly(self, request, segment, old)
        note = f"Version {old.number} restored."
        try:
            rule_changes.change(
                segment, old.rule, segment.is_active, request.user, note
            )
        except ValidationError as e:
            # It asks for a segment or a list that is gone, or for one that asks for it.
            messages.error(request, f"Nothing was restored. {e.messages[0]}")
            return back
        self.log_change(request, segment, note)
        messages.success(request, f"Version {old.number} is back.")
        return back

    def life_page(
        self,
        request: HttpRequest,
        segment: Segment,
        name: str,
        context: dict[str, Any],
    ) -> TemplateResponse:
        """One of the segment's tabs."""
        title = context.pop("title")
        context |= context_of(self.admin_site, request, title, segment, tab=name)
        return TemplateResponse(request, f"segments/life/{name}.html", context)


def _ask_plainly(
    page: Any, request: HttpRequest, segment: Segment, old: SegmentVersion
) -> HttpResponse:
    question = Question(
        title=f"Restore version {old.number} of “{segment}”?",
        button=f"Restore version {old.number}",
        back=reverse("admin:segments_segment_versions", args=[segment.pk]),
        words=(
            "Its rule becomes the newest version, and everybody is asked by it."
            if segment.is_active
            else "Its rule becomes the newest version. Nobody moves before the segment "
            "is live.",
        ),
        is_wide=True,
    )
    return confirm(
        page.admin_site,
        request,
        question,
        segment,
        "segments/life/restore.html",
        lines=differences.lines(segment.rule, old.rule),
    )


def _rows(segment: Segment, shown: list[SegmentVersion]) -> list[Row]:
    """Newest first; the last one shown has nothing to be compared with."""
    changed = [differences.summary(old.rule, new.rule) for new, old in pairwise(shown)]
    return (
        [
            Row(
                version=version,
                sentence=asking.describe(Segment(rule=version.rule)),
                changed=what,
                is_current=version.rule == segment.rule and place == 0,
            )
            for place, (version, what) in enumerate(
                zip(shown, [*changed, ""], strict=True)
            )
        ]
        if shown
        else []
    )


def _comparison(request: HttpRequest, shown: list[SegmentVersion]) -> Comparison | None:
    """The two that the address asks for; the newest and the one before it."""
    if len(shown) < 2:
        return None
    by_number = {version.number: version for version in shown}
    new = by_number.get(as_id(request.GET.get("new", "")) or 0, shown[0])
    old = by_number.get(as_id(request.GET.get("old", "")) or 0, shown[1])
    return Comparison(old=old, new=new, lines=differences.lines(old.rule, new.rule))
