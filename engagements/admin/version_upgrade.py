"""The page that moves engagements to another version of their External API."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import reverse

from engagements.admin.actions import log
from engagements.admin.preview_panel import example_person
from engagements.authoring import explaining
from engagements.authoring.forecast import Resend, resend
from engagements.authoring.forms import digest
from engagements.authoring.preview import (
    GENERAL,
    Preview,
    member_event,
    preview,
    seen_by,
)
from engagements.authoring.value_widgets import choices_of, hint_of, placeholder_of
from engagements.authoring.version_upgrade import (
    Move,
    VersionUpgradeError,
    plan,
    upgrade,
)
from engagements.guards import approved
from engagements.models import Engagement
from engagements.reporting import reports
from engagements.variants.plan import of as plan_of
from externalapi.connections.access import why_not
from externalapi.definitions.diff import Row as DiffRow
from externalapi.definitions.diff import diff_lines
from externalapi.models import ExternalAPI, ExternalAPIVersion
from externalapi.template.parameters import Parameter
from lemnisk_braze.lib.pages.confirm import typed_why, with_why
from lemnisk_braze.lib.pages.context import context_of
from segments import naming
from segments.models import Membership, Profile

# Rendering somebody's payload twice for each of more takes too long for a page.
EXAMPLES_SHOWN = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """A parameter that needs a value, as the page asks for it."""

    parameter: Parameter
    name: str
    typed: str
    problem: str

    @property
    def hint(self) -> str:
        return hint_of(self.parameter)

    @property
    def placeholder(self) -> str:
        return placeholder_of(self.parameter)

    @property
    def choices(self) -> tuple[str, ...]:
        return choices_of(self.parameter)


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One person's request before and after; `problems`: why none would be sent."""

    person: Profile
    rows: Sequence[DiffRow]
    problems: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One engagement that could move. `refusal`: why this user may not move it."""

    engagement: Engagement
    move: Move
    people: int
    tone: str
    refusal: str
    is_chosen: bool
    inputs: tuple[Input, ...]
    example: Example | None
    # Where it compares, and before it is moved: what is sent once more for that.
    resend: Resend | None = None

    @property
    def general_problem(self) -> str:
        return self.move.problems.get(GENERAL, "")


class MovePage:
    """Mixed into the engagement's admin."""

    admin_site: Any

    def move_view(self, request: HttpRequest, external_api_id: int) -> HttpResponse:
        """Show what would change, ask once more, and do it."""
        if not may_move(request):
            raise PermissionDenied
        external_api = get_object_or_404(ExternalAPI, pk=external_api_id)
        version = _target(request, external_api)
        chosen = _chosen(request)
        rows = list(_rows(request, version, chosen))
        moving = [row for row in rows if row.is_chosen]
        if request.method != "POST":
            return self._move_page(request, version, rows)
        if not moving:
            messages.error(request, "Choose at least one Engagement.")
        elif not any(row.move.problems for row in moving):
            if "_confirm" in request.POST:
                return self._move_all(request, version, moving)
            moving = [_with_resend(row) for row in moving]
            return self._move_page(request, version, moving, is_confirming=True)
        return self._move_page(request, version, rows)

    def _move_all(
        self, request: HttpRequest, version: ExternalAPIVersion, rows: list[Row]
    ) -> HttpResponse:
        page = reverse(
            "admin:externalapi_externalapi_used", args=[version.external_api_id]
        )
        try:
            with transaction.atomic():
                for row in rows:
                    _adopt(request, version, row)
        except VersionUpgradeError as e:
            messages.error(request, f"Nothing was moved. {e}")
            return redirect(request.get_full_path())
        count = len(rows)
        words = "1 Engagement has" if count == 1 else f"{count} Engagements have"
        messages.success(request, f"{words} version {version.number} now.")
        return redirect(page)

    def _move_page(
        self,
        request: HttpRequest,
        version: ExternalAPIVersion,
        rows: Sequence[Row],
        is_confirming: bool = False,
    ) -> HttpResponse:
        title = f"Move Engagements to version {version.number}"
        context = context_of(self.admin_site, request, title, Engagement) | {
            "external_api": version.external_api,
            "version": version,
            "rows": rows,
            "movable": sum(not row.refusal for row in rows),
            "is_confirming": is_confirming,
            "people": _people(rows) if is_confirming else 0,
            "live": sum(row.engagement.state == "active" for row in rows),
            "why": typed_why(request),
        }
        return TemplateResponse(request, "engagements/version_upgrade.html", context)


def may_move(request: HttpRequest) -> bool:
    user = request.user
    names = ("engagements.change_engagement", "engagements.activate_engagement")
    return any(user.has_perm(name) for name in names)


def _target(request: HttpRequest, external_api: ExternalAPI) -> ExternalAPIVersion:
    """The version that the page is about: ?version=NUMBER, else the current one."""
    versions = external_api.own_versions.select_related("external_api", "connection")
    number = request.POST.get("version") or request.GET.get("version", "")
    if number.isdecimal() and len(number) < 10:
        return get_object_or_404(versions, number=int(number))
    return get_object_or_404(versions, pk=external_api.current_version_id)


def _chosen(request: HttpRequest) -> set[str] | None:
    """The engagements that are ticked; None where nobody was asked yet."""
    if request.method != "POST":
        return None
    return set(request.POST.getlist("engagement"))


def _rows(
    request: HttpRequest, version: ExternalAPIVersion, chosen: set[str] | None
) -> Iterable[Row]:
    engagements = (
        Engagement.objects.filter(version__external_api=version.external_api_id)
        .exclude(version=version)
        .exclude(version__written_on=version)
        .exclude(state=Engagement.State.ENDED)
        .select_related("version__external_api", "version__connection", "segment")
        .order_by("name")
    )
    for index, engagement in enumerate(engagements):
        yield _row(request, version, engagement, chosen, index < EXAMPLES_SHOWN)


def _row(
    request: HttpRequest,
    version: ExternalAPIVersion,
    engagement: Engagement,
    chosen: set[str] | None,
    has_example: bool,
) -> Row:
    given = _given(request, engagement, version)
    move = plan(engagement, version, given)
    limit = why_not(version.connection, request.user)
    refusal = limit or _refusal(request, engagement)
    is_wanted = not move.problems if chosen is None else str(engagement.pk) in chosen
    return Row(
        engagement=engagement,
        move=move,
        people=engagement.segment.memberships.count(),
        tone=reports.ENGAGEMENT_TONES[engagement.state],
        refusal=refusal,
        is_chosen=is_wanted and not refusal,
        inputs=_inputs(engagement, move, given, is_asked=chosen is not None),
        example=_example(request, engagement, move) if has_example else None,
    )


def _with_resend(row: Row) -> Row:
    move = row.move
    found = resend(row.engagement, *move.sent, move.variants)
    return replace(row, resend=found)


def _refusal(request: HttpRequest, engagement: Engagement) -> str:
    """What goes live is an Approver's word; anything else is for those who build."""
    if engagement.state == Engagement.State.ACTIVE:
        if request.user.has_perm("engagements.activate_engagement"):
            return ""
        return "It is active: somebody in the group Approver moves it."
    if request.user.has_perm("engagements.change_engagement"):
        return ""
    return "Somebody in the group Marketer moves it."


def _field(engagement: Engagement, parameter: str) -> str:
    return f"value-{engagement.pk}-{digest(parameter)}"


def _given(
    request: HttpRequest, engagement: Engagement, version: ExternalAPIVersion
) -> dict[str, str]:
    names = {str(parameter["name"]) for parameter in version.parameters}
    typed = {name: request.POST.get(_field(engagement, name), "") for name in names}
    return {name: text.strip()[:4096] for name, text in typed.items() if text.strip()}


def _inputs(
    engagement: Engagement, move: Move, given: Mapping[str, str], *, is_asked: bool
) -> tuple[Input, ...]:
    """An input for each parameter that lacks a value; what was typed stays."""
    return tuple(
        Input(
            parameter=parameter,
            name=_field(engagement, parameter.name),
            typed=given.get(parameter.name, _carried(engagement, move, parameter)),
            problem=move.problems.get(parameter.name, "") if is_asked else "",
        )
        for parameter in move.asked(given)
    )


def _carried(engagement: Engagement, move: Move, parameter: Parameter) -> str:
    """The value that a renamed parameter brings along."""
    return str(engagement.values.get(move.renamed.get(parameter.name, ""), ""))


def _example(
    request: HttpRequest, engagement: Engagement, move: Move
) -> Example | None:
    # People's data is for those who may see people.
    if not naming.may_see_people(request.user):
        return None
    segment = engagement.segment
    person = example_person(segment)
    if person is None:
        return None
    event = member_event(segment, person, engagement.trigger)
    its = explaining.variant(engagement, person)
    number = its.number if its else None
    before, after = (
        seen_by(
            preview(
                version,
                variants.values(number, values),
                segment,
                person,
                event,
                engagement,
            ),
            version.connection,
            request.user,
        )
        for version, values, variants in (
            (engagement.version, engagement.values, plan_of(engagement)),
            (*move.sent, move.variants),
        )
    )
    rows = diff_lines(_payload(before), _payload(after), None)
    problems = list(after.problems.items())
    return Example(person=person, rows=[] if problems else rows, problems=problems)


def _payload(shown: Preview) -> str:
    """A request as text, or what keeps it from being made."""
    if shown.problems:
        words = [
            f"{name}: {text}" if name else text for name, text in shown.problems.items()
        ]
        return "\n".join(["Nothing would be sent to this person.", *words])
    headers = [f"{name}: {value}" for name, value in shown.headers.items()]
    return "\n".join([f"{shown.method} {shown.url}", *headers, "", shown.body])


def _people(rows: Sequence[Row]) -> int:
    """How many people the rows' segments have; who is in two counts once."""
    segments = {row.engagement.segment_id for row in rows}
    members = Membership.objects.filter(segment__in=segments)
    return members.values("profile").distinct().count()


def _adopt(request: HttpRequest, version: ExternalAPIVersion, row: Row) -> None:
    engagement = row.engagement
    was = engagement.version.number
    given = {item.parameter.name: item.typed for item in row.inputs}
    before, content = engagement.values, approved.content(engagement)
    move = upgrade(engagement, version, given)
    approved.note_change(engagement, content, request.user.pk)  # type: ignore[arg-type]
    said = [f"Moved from version {was} to version {version.number}."]
    if move.renamed:
        pairs = ", ".join(f"{old} is now {new}" for new, old in move.renamed.items())
        said.append(f"Renamed: {pairs}.")
    if move.removed:
        said.append(f"No longer asked: {', '.join(move.removed)}.")
    typed = [
        name
        for name, text in given.items()
        if text and text != before.get(move.renamed.get(name, ""))
    ]
    if typed:
        said.append(f"Value given: {', '.join(typed)}.")
    log(request, engagement, with_why(request, " ".join(said)))
