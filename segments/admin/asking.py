"""The question before a segment takes in others, and the proposals that wait for it."""

from collections.abc import Callable
from functools import partial
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path
from django.utils.functional import SimpleLazyObject
from django.utils.text import capfirst

from lemnisk_braze.lib.pages.confirm import Question, confirm
from segments import naming
from segments.forms import WORDS, SegmentForm
from segments.membership import readers, rule_changes
from segments.models import Proposal, Segment
from segments.rules import tree

# What the question's own buttons and marks are called.
CONFIRM, PROPOSE, SEEN = "_confirm", "_propose", "_seen"
OWN = (CONFIRM, PROPOSE, SEEN, "csrfmiddlewaretoken")
CHANGED_MEANWHILE = "The segment was changed meanwhile. Nothing was saved: this is what it would do now."


class AsksFirst:
    """A segment that somebody sends to is changed after a look at what that does."""

    def get_urls(self: Any) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.proposal_view)
        name = "segments_segment_proposal"
        return [
            path("<int:segment_id>/proposals/<int:pk>/", view, name=name),
            *super().get_urls(),  # type: ignore[misc]
        ]

    @transaction.atomic
    def changeform_view(
        self: Any,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        asked = None
        if request.method == "POST" and object_id:
            asked = self._ask(request, object_id)
        if asked is not None:
            return asked
        return super().changeform_view(request, object_id, form_url, extra_context)  # type: ignore[misc]

    def _ask(self: Any, request: HttpRequest, object_id: str) -> HttpResponse | None:
        """The question; None where there is none, or it was answered with yes."""
        segment = self.get_object(request, object_id)
        if segment is None or not self.has_change_permission(request, segment):
            return None
        # Locked until it is saved, so that what was shown is what is changed.
        stored = Segment.objects.select_for_update(no_key=True).get(pk=segment.pk)
        form = SegmentForm(request.POST, instance=segment)
        if not form.is_valid():
            return None
        wanted = form.cleaned_data
        return ask(
            self,
            request,
            stored,
            wanted["rule"],
            wanted["is_active"],
            propose=partial(_propose, self, request, stored, form),
        )

    def proposal_view(
        self: Any, request: HttpRequest, segment_id: int, pk: int
    ) -> HttpResponse:
        """What a proposed change would do; who may decide about it does so here."""
        if not self.has_view_or_change_permission(request):
            raise PermissionDenied
        found = Proposal.objects.select_related("segment", "proposed_by", "decided_by")
        proposal = found.filter(pk=pk, segment=segment_id).first()
        if proposal is None:
            raise Http404
        if request.method == "POST":
            return _decide(self, request, proposal)
        segment = proposal.segment
        return _question(
            self, request, segment, proposal.rule, proposal.is_active, proposal
        )


def ask(
    page: Any,
    request: HttpRequest,
    segment: Segment,
    rule: dict[str, Any],
    is_active: bool,
    *,
    propose: Callable[[], HttpResponse],
) -> HttpResponse | None:
    """The question before a locked segment takes in others, on the address that changes it.

    None where there is none, or it was answered with yes: then go on. `propose` is what
    follows where somebody else is to decide.
    """
    if not rule_changes.needs_decision(segment, rule, is_active):
        return None
    if PROPOSE in request.POST:
        return propose()
    if CONFIRM not in request.POST:
        return _question(page, request, segment, rule, is_active)
    _check_may_decide(request, segment)
    if request.POST.get(SEEN) == rule_changes.fingerprint(segment):
        return None
    messages.warning(request, CHANGED_MEANWHILE)
    return _question(page, request, segment, rule, is_active)


def propose(
    page: Any,
    request: HttpRequest,
    segment: Segment,
    rule: dict[str, Any],
    is_active: bool,
) -> HttpResponse:
    """Keep the change for somebody who may decide."""
    rule_changes.propose(segment, rule, is_active, request.user)
    page.log_change(request, segment, "Proposed a change of who is in.")
    messages.success(
        request,
        "Your change is proposed. Nothing changes before an Approver accepts it: it "
        "stands on this page and on their home page.",
    )
    return HttpResponseRedirect(segment.get_absolute_url())


def describe(segment: Segment | Proposal) -> str:
    """The rule as a sentence."""
    return tree.problem(segment.rule) or capfirst(tree.describe(segment.rule))


def proposal_of(segment: Segment) -> Proposal | None:
    """The newest change that was proposed: it waits, or was decided about."""
    found = segment.proposals.select_related("proposed_by", "decided_by")
    return found.order_by("-pk").first()


def _question(
    page: Any,
    request: HttpRequest,
    segment: Segment,
    rule: dict[str, Any],
    is_active: bool,
    proposal: Proposal | None = None,
) -> HttpResponse:
    is_open = proposal is None or proposal.state == Proposal.State.OPEN
    may_decide = readers.may_decide(request.user)
    refusal = (
        rule_changes.refusal(segment, request.user) if is_open and may_decide else ""
    )
    wanted = Segment(rule=rule, is_active=is_active)
    # Worked out while the page is written: it may take seconds, and whoever holds the
    # segment for so long keeps everybody's messages waiting.
    forecast = SimpleLazyObject(lambda: rule_changes.forecast(segment, rule, is_active))
    question = Question(
        title=f"A proposed change of “{segment}”"
        if proposal
        else f"Change who is in “{segment}”?",
        button="",
        back=segment.get_absolute_url(),
        is_wide=True,
    )
    context = {
        "before": describe(segment),
        "after": describe(wanted),
        "wanted": wanted,
        "proposal": proposal,
        "is_open": is_open,
        "forecast": forecast if is_open else None,
        "may_decide": may_decide and not refusal,
        # Whoever may decide may refuse: that sends nothing.
        "may_reject": may_decide,
        "refusal": refusal,
        "may_see_people": naming.may_see_people(request.user),
        "seen": rule_changes.fingerprint(segment),
        "typed": [
            (name, value)
            for name, values in request.POST.lists()
            for value in values
            if name not in OWN
        ],
    }
    template = "admin/segments/segment/question.html"
    return confirm(page.admin_site, request, question, segment, template, **context)


def _propose(
    page: Any, request: HttpRequest, stored: Segment, form: SegmentForm
) -> HttpResponse:
    """Save what decides about nobody, and keep the rest as a proposal."""
    wanted = form.cleaned_data
    for name in WORDS:
        setattr(stored, name, wanted[name])
    stored.save(update_fields=WORDS)
    return propose(page, request, stored, wanted["rule"], wanted["is_active"])


def _decide(page: Any, request: HttpRequest, proposal: Proposal) -> HttpResponse:
    segment, by = proposal.segment, proposal.proposed_by or "somebody"
    if "_reject" in request.POST:
        _check_may_decide(request)
        if rule_changes.reject(proposal, request.user):
            page.log_change(
                request, segment, f"Rejected the change that {by} proposed."
            )
            messages.success(request, "The proposal is rejected. Nothing has changed.")
            return HttpResponseRedirect(segment.get_absolute_url())
        return _too_late(request, proposal)
    _check_may_decide(request, segment)
    try:
        accepted = rule_changes.accept(
            proposal, request.user, request.POST.get(SEEN, "")
        )
    except ValidationError as e:
        messages.error(request, f"Nothing was changed. {e.messages[0]}")
        return HttpResponseRedirect(proposal.get_absolute_url())
    if accepted:
        page.log_change(request, segment, f"Accepted the change that {by} proposed.")
        messages.success(request, "The proposal is accepted, and the segment changed.")
        return HttpResponseRedirect(segment.get_absolute_url())
    return _too_late(request, proposal)


def _check_may_decide(request: HttpRequest, segment: Segment | None = None) -> None:
    """Refuse whoever may not decide, or may not change this segment."""
    if not readers.may_decide(request.user):
        raise PermissionDenied
    if segment and (refusal := rule_changes.refusal(segment, request.user)):
        raise PermissionDenied(refusal)


def _too_late(request: HttpRequest, proposal: Proposal) -> HttpResponse:
    messages.warning(
        request,
        "Nothing was done: somebody decided, or changed the segment, meanwhile.",
    )
    return HttpResponseRedirect(proposal.get_absolute_url())
