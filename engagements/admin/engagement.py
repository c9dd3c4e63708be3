"""Engagements: the list, Engagement Creation, and the page of one engagement."""

import itertools
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.text import Truncator
from unfold.decorators import display

from engagements.admin import calendar, operations, sample_values, variants
from engagements.admin.actions import ENGAGEMENT_ACTS, Act, act_view, buttons, missing
from engagements.admin.approvals import (
    ApprovalFilter,
    ApprovalPages,
    asked_about,
    is_number_raised,
    may_ask,
)
from engagements.admin.counted_list import CountedEngagements
from engagements.admin.duplicate import DuplicatePage
from engagements.admin.guards import person as person_page
from engagements.admin.guards import site as guards_page
from engagements.admin.preview_panel import PreviewPanel, preview_panel
from engagements.admin.version_upgrade import MovePage
from engagements.audience import send_again
from engagements.authoring import variant_section
from engagements.authoring.forms import EngagementForm
from engagements.authoring.payload_section import NAME as PAYLOAD
from engagements.authoring.schedule_fields import ScheduleForm
from engagements.guards import approved, ceiling
from engagements.lifecycle import approval
from engagements.models import Engagement, Run
from engagements.payload import difference, versions
from engagements.personalization.variable_catalog import known_variables
from engagements.reporting import progress, reports
from engagements.variants import plan
from externalapi.forms.body_check import Check
from externalapi.models import ExternalAPI
from lemnisk_braze.lib import form_changes
from lemnisk_braze.lib.filtering import OfferedFilters
from lemnisk_braze.lib.pages.context import context_of
from lemnisk_braze.lib.pages.deleting import CarefulDelete, Dependant, Instead
from segments import naming

RUNS_SHOWN = 10
WHY_SHOWN = 90


@admin.register(Engagement)
class EngagementAdmin(
    ApprovalPages, DuplicatePage, MovePage, CarefulDelete, OfferedFilters
):
    actions = None
    list_display = (
        "name",
        "segment",
        "configuration",
        "when",
        "state_badge",
        "why_stopped",
        "deliveries_sent",
    )
    list_filter = ("state", ApprovalFilter, "trigger", "segment")
    list_select_related = ("segment", "version__external_api")
    search_fields = ("name", "description")
    search_help_text = "A part of a name or of a description."
    ordering = ("-pk",)

    def get_changelist(
        self, request: HttpRequest, **kwargs: Any
    ) -> type[CountedEngagements]:
        return CountedEngagements

    @admin.display(description="External API", ordering="version__external_api__name")
    def configuration(self, engagement: Engagement) -> str:
        return str(engagement.version)

    @admin.display(description="trigger", ordering="trigger")
    def when(self, engagement: Engagement) -> str:
        return reports.trigger_in_words(engagement)

    @display(description="state", ordering="state", label=reports.ENGAGEMENT_TONES)
    def state_badge(self, engagement: Engagement) -> tuple[str, str]:
        return engagement.state, engagement.get_state_display()

    @admin.display(description="why it stopped")
    def why_stopped(self, engagement: Engagement) -> str:
        # Its page has all of it, for who may see people.
        why = naming.scrubbed(engagement.blocked_reason, AnonymousUser())
        return Truncator(why).chars(WHY_SHOWN) or "–"

    @admin.display(description="deliveries sent", ordering="deliveries_sent")
    def deliveries_sent(self, engagement: Engagement) -> str:
        return f"{engagement.deliveries_sent:,}"  # type: ignore[attr-defined]

    def has_delete_permission(
        self, request: HttpRequest, obj: Engagement | None = None
    ) -> bool:
        # What was sent stays on record: only an untouched draft can go.
        is_touched = obj is not None and obj.runs.exists()
        return super().has_delete_permission(request, obj) and not is_touched

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: Any = None
    ) -> HttpResponse:
        engagement = self.get_object(request, unquote(object_id))
        is_kept = engagement is not None and engagement.runs.exists()
        if not is_kept or request.method == "POST" or not self._may_delete(request):
            response: HttpResponse = super().delete_view(
                request, object_id, extra_context
            )
            return response
        title = f"“{engagement}” is kept"
        context = context_of(self.admin_site, request, title, self.model) | {
            "object": engagement,
            "deleted_objects": [],
            "protected": self.users_of(engagement),
            "instead": self.instead(request, engagement),
        }
        return TemplateResponse(request, "admin/delete_confirmation.html", context)

    def _may_delete(self, request: HttpRequest) -> bool:
        return bool(super().has_delete_permission(request))

    @transaction.atomic
    def delete_model(self, request: HttpRequest, obj: Engagement) -> None:
        api_id = obj.version.external_api_id
        super().delete_model(request, obj)
        versions.delete_unused(api_id)

    def users_of(self, obj: Engagement) -> list[Dependant]:
        count = obj.runs.count()
        if not count:
            return []
        url = reverse("admin:engagements_run_changelist")
        name = f"the record of its {count:,} run{'' if count == 1 else 's'}"
        return [Dependant(name=name, url=f"{url}?engagement__id__exact={obj.pk}")]

    def instead(self, request: HttpRequest, obj: Engagement) -> Instead | None:
        if not obj.runs.exists():
            return None
        return Instead(
            text="What was sent stays on record. Ended, it sends nothing more, for good.",
            label="Open the Engagement",
            url=obj.get_absolute_url(),
        )

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        acts = [
            path(
                f"<int:pk>/{act.name}/",
                view(self.act_view),
                {"act": act},
                name=f"engagements_engagement_{act.name}",
            )
            for act in ENGAGEMENT_ACTS
        ]
        pages = [
            path(
                "preview/",
                view(self.preview_view),
                name="engagements_engagement_preview",
            ),
            path(
                "check-payload/",
                view(self.check_payload_view),
                name="engagements_engagement_check_payload",
            ),
            path("times/", view(self.times_view), name="engagements_engagement_times"),
            path(
                "move/<int:external_api_id>/",
                view(self.move_view),
                name="engagements_engagement_move",
            ),
            path(
                "<int:pk>/report/",
                view(self.report_view),
                name="engagements_engagement_report",
            ),
        ]
        pages_of = (
            *(calendar, operations, sample_values, variants),
            *(guards_page, person_page),
        )
        others = [page.urls(self.admin_site) for page in pages_of]
        its_own = [*acts, *pages, *self.approval_urls(), *self.duplicate_urls()]
        return [*its_own, *itertools.chain(*others), *super().get_urls()]

    # Engagement Creation

    def add_view(
        self,
        request: HttpRequest,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        if request.method != "POST":
            form = EngagementForm(initial=_given(request))
            if form.chosen_version:
                form.initial.setdefault("ambiguous_policy", form.best_policy)
            return self._page(request, form)
        if "_configure" in request.POST:
            return self._page(request, _configured(request, None))
        form = EngagementForm(request.POST)
        if not form.is_valid():
            return self._page(request, form)
        form.instance.created_by_id = request.user.pk
        with transaction.atomic():
            engagement = form.save()
            approved.note_change(engagement, None, request.user.pk)  # type: ignore[arg-type]
        self.log_addition(request, engagement, [{"added": {}}])
        messages.success(
            request,
            f"“{engagement}” is saved as a draft. {_next_words(request)}",
        )
        return redirect(engagement.get_absolute_url())

    # The page of one engagement

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        engagement = self.get_object(request, unquote(object_id))
        if engagement is None:
            return missing(self, request, object_id)
        if not self.has_view_or_change_permission(request, engagement):
            raise PermissionDenied
        if request.method == "POST":
            return self._save(request, engagement)
        form = EngagementForm(instance=engagement)
        if form.prepare_fallback(request.GET.get("fallback", "")):
            messages.info(
                request,
                "Type what somebody without a value gets between the quotes, then save.",
            )
        return self._page(request, form)

    @transaction.atomic
    def _save(self, request: HttpRequest, engagement: Engagement) -> HttpResponse:
        if not self.has_change_permission(request, engagement):
            raise PermissionDenied
        # Locked to the end, so that nobody activates what is being changed.
        engagement = Engagement.objects.select_for_update().get(pk=engagement.pk)
        if "_configure" in request.POST:
            return self._page(request, _configured(request, engagement))
        before, was = engagement.sent_again, plan.of(engagement)
        payload = engagement.version.payload
        content, above = approved.content(engagement), approved.limit(engagement)
        form = EngagementForm(request.POST, instance=engagement)
        if not form.is_valid() or is_number_raised(request, form, above):
            return self._page(request, form)
        if words := send_again.forgotten(form.save(), before):
            messages.warning(request, words)
        approved.note_change(engagement, content, request.user.pk)  # type: ignore[arg-type]
        # A payload is too long to stand there as it was and as it is.
        names = [name for name in form.changed_data if name != PAYLOAD]
        now = plan.of(form.instance)
        said = [*form_changes.changes(form, names), *plan.changes(was, now)]
        if not form.is_locked:
            said.append(difference.in_words(payload, engagement.version.payload))
            for lost in form.lost_values(was):
                messages.warning(request, lost)
                said.append(lost)
        changed = " ".join(filter(None, said))
        self.log_change(request, engagement, changed or "Saved without a change.")
        messages.success(request, f"“{engagement}” is saved.")
        return redirect(engagement.get_absolute_url())

    def _page(self, request: HttpRequest, form: EngagementForm) -> HttpResponse:
        engagement = form.instance if form.instance.pk else None
        # A rejected form has its own wishes on the instance; the page shows the facts.
        original = Engagement.objects.filter(pk=form.instance.pk).first()
        can_save = self._can_save(request, engagement)
        if not can_save:
            form.show_only()
        title = str(original) if original else "Engagement Creation"
        context = context_of(self.admin_site, request, title, self.model) | {
            "original": original,
            "form": form,
            "groups": known_variables(
                form.chosen_segment, [one.parameter for one in form.parameter_inputs]
            ),
            "may_see_people": naming.may_see_people(request.user),
            "panel": self._panel(request, form),
            "previewed": request.POST.get(variant_section.PREVIEWED, ""),
            "can_save": can_save,
            **(self._report(request, original) if original else {}),
        }
        return TemplateResponse(request, "engagements/engagement.html", context)

    def _can_save(self, request: HttpRequest, engagement: Engagement | None) -> bool:
        if engagement is None:
            return bool(self.has_add_permission(request))
        return bool(self.has_change_permission(request, engagement))

    def _report(self, request: HttpRequest, engagement: Engagement) -> dict[str, Any]:
        runs = list(engagement.runs.order_by("-pk")[:RUNS_SHOWN])
        report = reports.engagement_report(engagement)
        going = progress.of(runs, report.by_run)
        asks = may_ask(
            request, engagement, may_build=self._can_save(request, engagement)
        )
        return {
            "engagement": engagement,
            "buttons": buttons(request, engagement, ENGAGEMENT_ACTS, has_primary=asks),
            "may_ask": asks,
            **asked_about(request, engagement),
            "when": reports.trigger_in_words(engagement),
            "tone": reports.ENGAGEMENT_TONES[engagement.state],
            "can_delete": self.has_delete_permission(request, engagement),
            "report": report,
            **variants.compared(request, engagement, report),
            "repeats": reports.repeats_left_out(engagement),
            "runs": [(run, going[run.pk]) for run in runs],
            "uncertain": reports.uncertain_batches(engagement)[:RUNS_SHOWN],
            "is_open": _is_moving(engagement, runs),
            "at_ceiling": ceiling.waiting_run(engagement),
        }

    # The parts that the page asks for again

    def report_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The report alone, for a page that follows an open run."""
        engagement = get_object_or_404(self.get_queryset(request), pk=pk)
        if not self.has_view_or_change_permission(request, engagement):
            raise PermissionDenied
        context = self._report(request, engagement)
        return TemplateResponse(request, "engagements/report.html", context)

    def preview_view(self, request: HttpRequest) -> HttpResponse:
        """The preview of what stands in the form now; nothing is saved or sent."""
        engagement = self._asked_about(request)
        form = (
            EngagementForm.of_typed(request.POST, engagement)
            if self._can_save(request, engagement)
            else EngagementForm(instance=engagement)
        )
        context = {"panel": self._panel(request, form)}
        return TemplateResponse(request, "engagements/preview.html", context)

    def check_payload_view(self, request: HttpRequest) -> HttpResponse:
        """What the editor asks while a payload is written; nothing is saved."""
        engagement = self._asked_about(request)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        form = EngagementForm.of_typed(request.POST, engagement)
        if engagement and not form.has_payload:
            # It was locked when the page was drawn, and has ended meanwhile.
            form = EngagementForm(instance=engagement)
        # Nothing: another External API was chosen, and the editor is about to go.
        found = Check(verdict="")
        if form.has_payload:
            found = form.check_payload(form.typed_values, form.chosen_segment)
        return JsonResponse(found.to_dict())

    def _asked_about(self, request: HttpRequest) -> Engagement | None:
        """The engagement whose form asks; None: it is yet to be saved."""
        pk = request.POST.get("engagement", "")
        engagement: Engagement | None = (
            self.get_object(request, pk) if pk.isdecimal() else None
        )
        if not (
            self.has_view_or_change_permission(request, engagement)
            or self.has_add_permission(request)
        ):
            raise PermissionDenied
        return engagement

    def times_view(self, request: HttpRequest) -> HttpResponse:
        """The next times of the schedule that stands in the form now."""
        engagement = self._asked_about(request)
        form = ScheduleForm(request.POST, instance=engagement)
        form.is_valid()
        return TemplateResponse(request, "engagements/next_times.html", {"form": form})

    def _panel(self, request: HttpRequest, form: EngagementForm) -> PreviewPanel:
        # People's data is for those who may see people.
        if not naming.may_see_people(request.user):
            return PreviewPanel(message="You may not see people’s data.")
        return preview_panel(
            form,
            request.POST.get("preview_person", ""),
            request.user,
            request.POST.get(variant_section.PREVIEWED, ""),
        )

    def act_view(self, request: HttpRequest, pk: int, act: Act) -> HttpResponse:
        engagement = get_object_or_404(
            Engagement.objects.select_related(
                "segment", "version__external_api", "version__connection"
            ),
            pk=pk,
        )
        if act.name == "activate" and act.is_allowed(request, engagement):
            asked = self.ask_instead(request, engagement)
            if asked is not None:
                return asked
        return act_view(self.admin_site, request, engagement, act)


def _next_words(request: HttpRequest) -> str:
    if request.user.has_perm(approval.PERMISSION):
        return "Activate it when it is ready."
    return "When it is ready, ask an Approver to activate it."


def _is_moving(engagement: Engagement, runs: list[Run]) -> bool:
    is_active = engagement.state == Engagement.State.ACTIVE
    return is_active and any(run.state in Run.OPEN for run in runs)


def _given(request: HttpRequest) -> dict[str, object]:
    """What the address asks for: ?segment=ID, ?external_api=ID or the only API."""
    given: dict[str, object] = {}
    if (segment := request.GET.get("segment", "")).isdecimal():
        given["segment"] = segment
    apis = ExternalAPI.objects.offered()
    if (api := request.GET.get("external_api", "")).isdecimal():
        apis = apis.filter(pk=api)
    versions = list(apis.values_list("current_version", flat=True)[:2])
    if len(versions) == 1:
        given["version"] = versions[0]
    return given


def _configured(request: HttpRequest, engagement: Engagement | None) -> EngagementForm:
    """The form for another External API: everything typed so far, unchecked."""
    typed, wish = request.POST.copy(), request.POST["_configure"]
    if wish.startswith((variant_section.ADD, variant_section.REMOVE)):
        variant_section.changed(typed, wish)
    form = EngagementForm.of_typed(typed, engagement)
    if wish == "version":
        form.initial["ambiguous_policy"] = form.best_policy
    return form
