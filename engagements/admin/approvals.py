"""The page of an approval: what would be sent, what is new in it, and yes or no."""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path

from engagements.admin import approval_samples
from engagements.admin.actions import log, with_link
from engagements.audience import to_take_in
from engagements.authoring import forecast
from engagements.authoring.forecast import Impact
from engagements.guards import approved
from engagements.lifecycle import approval
from engagements.lifecycle.approval import AnsweredError
from engagements.lifecycle.transitions import ActivationError
from engagements.models import Approval, Engagement
from engagements.reporting import approved_changes
from externalapi.testing import cases
from lemnisk_braze.lib.counted import counted
from lemnisk_braze.lib.names import one_line
from lemnisk_braze.lib.pages.confirm import MAX_WHY, Question, confirm
from segments import naming

APPROVE, DECLINE, SEEN, ASK = "_approve", "_decline", "_seen", "_ask"
SET_NUMBER = "engagements.set_approval"
TEMPLATE = "engagements/approval.html"


class AnswerForm(forms.Form):
    """For how many people, and why; `people` are those that there are now."""

    most = forms.IntegerField(max_value=2_000_000_000)
    why = forms.CharField(
        label="Why",
        required=False,
        max_length=MAX_WHY,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        help_text="Whoever asked is told. To decline it takes a reason.",
    )

    def __init__(self, data: Any, engagement: Engagement, people: int) -> None:
        above = approved.limit(engagement)
        # Entries go on coming; a segment is as large as it is.
        likely = 2 * people if engagement.listens else people + people // 10
        super().__init__(data, initial={"most": max(likely, above or 1)})
        self.people = people
        self.declines = data is not None and DECLINE in data
        most = self.fields["most"]
        most.label = f"For at most so many people {per(engagement)}"
        most.help_text = (
            f"Now it is {counted(people, 'person', 'people')}. With more, or when what"
            " it sends is changed, it is asked for again."
        )
        most.required = not self.declines
        if above is None:
            del self.fields["most"]

    def clean_most(self) -> int | None:
        most: int | None = self.cleaned_data["most"]
        if self.declines or most is None:
            return None
        if most < max(self.people, 1):
            raise forms.ValidationError(
                f"It is {counted(self.people, 'person', 'people')} now: enter as many"
                " or more, or decline it."
            )
        return most

    def clean_why(self) -> str:
        why = one_line(self.cleaned_data["why"])
        if self.declines and not why:
            raise forms.ValidationError("Say why: whoever asked reads it.")
        return why


class ApprovalFilter(admin.SimpleListFilter):
    """The engagements that wait for somebody's word."""

    title = "approval"
    parameter_name = "approval"

    def lookups(
        self, request: HttpRequest, model_admin: Any
    ) -> Iterable[tuple[str, str]]:
        return [("waiting", "Waits for approval")]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Engagement]
    ) -> QuerySet[Engagement]:
        if not self.value():
            return queryset
        return queryset.filter(approvals__state=Approval.State.WAITING)


class ApprovalPages:
    """Mixed into the engagement's admin."""

    admin_site: Any
    has_change_permission: Any
    has_view_or_change_permission: Any

    def approval_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        name = "engagements_engagement"
        return [
            path("<int:pk>/ask/", view(self.ask_view), name=f"{name}_ask"),
            path(
                "<int:engagement_id>/approvals/<int:pk>/",
                view(self.approval_view),
                name=f"{name}_approval",
            ),
            path(
                "<int:engagement_id>/approvals/<int:pk>/withdraw/",
                view(self.withdraw_view),
                name=f"{name}_withdraw",
            ),
        ]

    def ask_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Whoever builds it, or may activate it, asks a second person."""
        engagement = get_object_or_404(Engagement, pk=pk)
        may_build = self.has_change_permission(request, engagement)
        if not (may_build or request.user.has_perm(approval.PERMISSION)):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        return _ask(request, engagement, people_of(engagement))

    def ask_instead(
        self, request: HttpRequest, engagement: Engagement
    ) -> HttpResponse | None:
        """In place of an activation that takes a second person; None where none does."""
        people = people_of(engagement)
        most = approved.allowance(engagement)
        if most is None or people <= most:
            return None
        if asked := approved.waiting(engagement):
            return redirect(asked.get_absolute_url())
        if ASK in request.POST:
            return _ask(request, engagement, people)
        return _instead(self.admin_site, request, engagement, people)

    def approval_view(
        self, request: HttpRequest, engagement_id: int, pk: int
    ) -> HttpResponse:
        found = Approval.objects.select_related(
            "asked_by",
            "answered_by",
            "run",
            "engagement__segment",
            "engagement__version__external_api",
            "engagement__version__connection",
        )
        asked = get_object_or_404(found, pk=pk, engagement=engagement_id)
        if not self.has_view_or_change_permission(request, asked.engagement):
            raise PermissionDenied
        data = request.POST if request.method == "POST" else None
        people = people_of(asked.engagement) if asked.is_open else asked.people
        form = AnswerForm(data, asked.engagement, people)
        if data is not None:
            if not request.user.has_perm(approval.PERMISSION):
                raise PermissionDenied
            answered = _answer(request, asked, form)
            if answered is not None:
                return answered
        return _page(self.admin_site, request, asked, form)

    def withdraw_view(
        self, request: HttpRequest, engagement_id: int, pk: int
    ) -> HttpResponse:
        """Whoever asked, or may edit the engagement, takes it back."""
        found = Approval.objects.select_related("engagement", "asked_by")
        asked = get_object_or_404(found, pk=pk, engagement=engagement_id)
        if not approval.may_withdraw(asked, request.user):
            raise PermissionDenied
        if request.method != "POST":
            return confirm(
                self.admin_site, request, _withdrawal(asked), asked.engagement
            )
        try:
            approval.withdraw(asked, request.user)
        except AnsweredError as e:
            messages.warning(request, str(e))
            return redirect(asked.get_absolute_url())
        who = asked.asked_by or "somebody who is not here any more"
        log(request, asked.engagement, f"Withdrew what {who} asked for.")
        messages.success(request, "It is withdrawn. Nothing is sent.")
        return redirect(asked.engagement.get_absolute_url())


def asked_about(request: HttpRequest, engagement: Engagement) -> dict[str, Any]:
    """What an engagement's page says of approvals: what waits, and what was answered."""
    found = approval.answers(engagement)
    is_declined = bool(found) and found[0].state == Approval.State.DECLINED
    asked = approved.waiting(engagement)
    return {
        "asked": asked,
        "approvals": found,
        "declined": found[0] if is_declined else None,
        "may_withdraw": asked is not None and may_withdraw(request, asked),
    }


def may_withdraw(request: HttpRequest, asked: Approval) -> bool:
    is_theirs = approval.may_withdraw(asked, request.user)
    return is_theirs and not approval.not_withdrawn(asked)


def per(engagement: Engagement) -> str:
    """In which time people are counted."""
    return "a day" if engagement.listens and not engagement.takes_present else "a run"


def people_of(engagement: Engagement) -> int:
    """Whom it would take in now, were it activated or let go on."""
    if engagement.state in Engagement.AT_REST:
        return forecast.people_now(engagement)[0]
    return to_take_in.at_stake(engagement)


def may_ask(request: HttpRequest, engagement: Engagement, *, may_build: bool) -> bool:
    """Whether this user has somebody to ask about it."""
    may_activate = request.user.has_perm(approval.PERMISSION)
    if engagement.state in Engagement.AT_REST:
        # Who may activate is led to ask where it is needed.
        return may_build and not may_activate and not approved.waiting(engagement)
    if approved.waiting(engagement) or not (may_build or may_activate):
        return False
    is_stopped = engagement.state in approval.ASKABLE
    return is_stopped and bool(approved.why_not_resume(engagement))


def is_number_raised(
    request: HttpRequest, form: forms.Form, before: int | None
) -> bool:
    """Say at its field that its number is not this user's to raise; False where it is.

    `before`: above how many people it took a second person until now. Of a draft that
    nobody was asked about it is theirs who build it.
    """
    engagement: Engagement = form.instance  # type: ignore[attr-defined]
    if before is None or request.user.has_perm(SET_NUMBER):
        return False
    is_new = engagement.state == Engagement.State.DRAFT
    if is_new and not engagement.approvals.exists():
        return False
    above = approved.limit(engagement)
    if above is not None and above <= before:
        return False
    form.add_error(
        "approval_above",
        "Only an administrator raises or clears it: it is about what those send who"
        " build and approve.",
    )
    return True


def _ask(request: HttpRequest, engagement: Engagement, people: int) -> HttpResponse:
    if not approval.ask(engagement, request.user, people):
        messages.info(request, "Nothing was changed: it was asked for already.")
        return redirect(engagement.get_absolute_url())
    log(
        request,
        engagement,
        f"Asked for approval: {counted(people, 'person', 'people')}.",
    )
    asked = approved.waiting(engagement)
    if asked and not approval.approvers(asked):
        messages.warning(
            request,
            "It waits for approval, and nobody may give it: whoever may approve asked"
            " for it, or has changed what it sends. An administrator adds somebody to"
            " the group Approver.",
        )
    else:
        messages.success(
            request,
            "Approvers are told: it stands on their home page, and a mail goes to those"
            " whose address is known.",
        )
    return redirect(engagement.get_absolute_url())


def _instead(
    site: admin.AdminSite, request: HttpRequest, engagement: Engagement, people: int
) -> HttpResponse:
    above = approved.limit(engagement) or 0
    last = approved.last_approved(engagement)
    said = [
        f"It would take in {counted(people, 'person', 'people')}. Above {above:,} a"
        " second person must approve: somebody who has not changed it since, and does"
        " not ask for it."
    ]
    if last and last.digest == approved.digest(approved.content(engagement)):
        said.append(f"Approved last were up to {last.most:,}.")
    elif last:
        said.append("What it sends has changed since it was approved last.")
    question = Question(
        title="Ask for approval?",
        button="Ask for approval",
        back=engagement.get_absolute_url(),
        words=said,
        hidden={ASK: "1"},
    )
    return confirm(
        site,
        request,
        question,
        engagement,
        "engagements/activate.html",
        asks=True,
        impact=forecast.activation_impact(engagement),
        cases_why_not=cases.why_not(engagement.version),
        cases_url=cases.url(engagement.version),
    )


# --- The page of one ------------------------------------------------------------------


def _answer(
    request: HttpRequest, asked: Approval, form: AnswerForm
) -> HttpResponse | None:
    """What was pressed is done, or refused with the reason; None: the form is wrong."""
    here = redirect(asked.get_absolute_url())
    if asked.is_open and (reason := approval.refusal(asked, request.user)):
        messages.error(request, f"Nothing was changed. {reason}")
        return here
    if asked.is_open and not form.is_valid():
        return None
    try:
        _do(request, asked, form)
    except AnsweredError as e:
        messages.warning(request, str(e))
        return here
    except ActivationError as e:
        messages.error(request, with_link(e))
        return here
    return redirect(asked.engagement.get_absolute_url())


def _do(request: HttpRequest, asked: Approval, form: AnswerForm) -> None:
    given = form.cleaned_data if asked.is_open else {}
    why = given.get("why", "")
    who = asked.asked_by or f"{asked.asker[0].lower()}{asked.asker[1:]}"
    if form.declines:
        approval.decline(asked, request.user, why)
        log(request, asked.engagement, f"Declined what {who} asked for. Why: {why}")
        ended = " The Engagement has ended." if asked.run_id else ""
        messages.success(request, f"It is declined.{ended} Whoever asked is told.")
        return
    most = given.get("most", max(form.people, 1))
    seen = request.POST.get(SEEN, "")
    approval.approve(asked, request.user, most=most, seen=seen, why=why)
    words = f"Approved what {who} asked for, for up to {most:,} people."
    log(request, asked.engagement, f"{words} Why: {why}" if why else words)
    messages.success(request, "It is approved, and the Engagement is active.")


def _withdrawal(asked: Approval) -> Question:
    return Question(
        title="Withdraw what was asked for?",
        button="Withdraw",
        back=asked.get_absolute_url(),
        words=[
            f"Approval of “{asked.engagement}”.",
            "Nobody is asked any more, and nothing is sent. A link in a mail says who"
            " withdrew it. It may be asked for again.",
        ],
        tone="danger",
        refusal=approval.not_withdrawn(asked),
    )


def _page(
    site: admin.AdminSite, request: HttpRequest, asked: Approval, form: AnswerForm
) -> HttpResponse:
    engagement = asked.engagement
    changes = approved_changes.since(asked)
    question = Question(
        title=f"Approval of “{engagement}”",
        button="",
        back=engagement.get_absolute_url(),
        is_wide=True,
    )
    context: dict[str, Any] = {
        "asked": asked,
        "changes": changes,
        "people": form.people,
        "answered": approval.answered_words(asked),
        "per": per(engagement),
    }
    if asked.is_open:
        pinned = approved.looked_at(engagement, asked.kept_run)
        above = approved.limit(engagement)
        was_above = asked.above is not None and form.people > asked.above
        is_raised = was_above and (above is None or form.people <= above)
        context |= {
            "form": form,
            "above": above,
            "is_raised": is_raised,
            "refusal": approval.refusal(asked, request.user),
            "may_withdraw": may_withdraw(request, asked),
            "others": approval.approvers(asked),
            "impact": _impact(asked, form.people),
            "samples": list(approval_samples.of(request.user, asked)),
            "is_masked": not naming.may_see_people(request.user),
            "seen": approved.seen(pinned),
            "is_changed": approved.seen(pinned) != approved.seen(asked.content),
            "cases_why_not": cases.why_not(engagement.version),
            "cases_url": cases.url(engagement.version),
        }
    return confirm(site, request, question, engagement, TEMPLATE, **context)


def _impact(asked: Approval, people: int) -> Impact:
    engagement = asked.engagement
    if engagement.state in Engagement.AT_REST:
        return forecast.activation_impact(engagement)
    run = asked.run
    if run is None or not run.is_standing:
        return forecast.impact(engagement, people)
    # Who enters, or leaves, is not those who are in; nor is who was taken in today.
    to_come = max(people - run.taken_in, 0)
    return forecast.impact(engagement, to_come, looks=False)
