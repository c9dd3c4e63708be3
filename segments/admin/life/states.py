"""Make live, pause, archive, take back, duplicate: each a page that asks first."""

from functools import partial
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from lemnisk_braze.lib.counted import counted
from lemnisk_braze.lib.pages.confirm import Question, confirm, with_why
from lemnisk_braze.lib.pages.rows import row_of
from segments.admin import asking
from segments.life import copies, snapshots, states, uses
from segments.membership import readers, rule_changes
from segments.models import Segment
from segments.rules import tree


class StatePages:
    """Mixed into the segment's admin."""

    admin_site: Any
    opts: Any
    has_add_permission: Any
    has_change_permission: Any
    log_addition: Any
    log_change: Any

    def make_live_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        return self._switch(
            request,
            pk,
            is_active=True,
            done="Made live.",
            question=lambda segment: Question(
                title=f"Make “{segment}” live?",
                button="Make it live",
                back=segment.get_absolute_url(),
                words=(
                    "Everybody is asked by its rule now. Who fits it enters, then and "
                    "from now on, and who does not leaves.",
                    "No Engagement is at work with it.",
                ),
            ),
        )

    def pause_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        return self._switch(
            request,
            pk,
            is_active=False,
            done="Paused.",
            question=lambda segment: Question(
                title=f"Pause “{segment}”?",
                button="Pause",
                back=segment.get_absolute_url(),
                words=(
                    f"{counted(segment.size, 'person stays', 'people stay')} in it, "
                    "whatever they do: nobody enters and nobody leaves until it is "
                    "live again.",
                    "No Engagement is at work with it.",
                ),
            ),
        )

    @transaction.atomic
    def _switch(
        self,
        request: HttpRequest,
        pk: int,
        *,
        is_active: bool,
        done: str,
        question: Any,
    ) -> HttpResponse:
        """Ask, with numbers where somebody sends to its people; then do it."""
        row_of(self, request, pk, "change")
        segment = Segment.objects.select_for_update(no_key=True).get(pk=pk)
        if segment.is_active == is_active:
            messages.info(request, f"It is {segment.state.label.lower()} already.")
            return HttpResponseRedirect(segment.get_absolute_url())
        if is_active and (problem := tree.problem(segment.rule)):
            messages.error(request, f"Its rule is wrong. {problem}")
            return HttpResponseRedirect(segment.get_absolute_url())
        asked = asking.ask(
            self,
            request,
            segment,
            segment.rule,
            is_active,
            propose=partial(
                asking.propose, self, request, segment, segment.rule, is_active
            ),
        )
        if asked is not None:
            return asked
        if request.method != "POST":
            return confirm(self.admin_site, request, question(segment), segment)
        try:
            rule_changes.change(segment, segment.rule, is_active, request.user)
        except ValidationError as e:
            messages.error(request, f"Nothing was done. {e.messages[0]}")
            return HttpResponseRedirect(segment.get_absolute_url())
        return self._done(request, segment, done)

    def archive_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        segment = row_of(self, request, pk, "change")
        if request.method == "POST":
            try:
                is_done = states.archive(segment, request.user)
            except states.StillUsedError as e:
                messages.error(request, f"Nothing was archived. {e}")
                return HttpResponseRedirect(request.path)
            return self._done(request, segment, "Archived." if is_done else "")
        at_work = uses.at_work(segment)
        question = Question(
            title=f"Archive “{segment}”?",
            button="Archive",
            tone="danger",
            back=segment.get_absolute_url(),
            words=(
                "It leaves the list and can no longer be chosen in an Engagement. Nobody "
                "enters or leaves any more.",
                "Nothing is deleted: its people, its versions and who entered and left "
                "stay to be read, and Unarchive brings it back.",
            ),
            refusal=_why_not_archived(segment, is_used=bool(at_work)),
            asks_why=True,
        )
        return confirm(
            self.admin_site,
            request,
            question,
            segment,
            "segments/life/archive.html",
            uses=at_work,
        )

    def unarchive_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        # Of an archived one nothing else may be changed.
        if not self.has_change_permission(request):
            raise PermissionDenied
        segment = row_of(self, request, pk)
        if not segment.archived_at:
            return HttpResponseRedirect(segment.get_absolute_url())
        if request.method == "POST":
            is_done = states.unarchive(segment)
            return self._done(request, segment, "Unarchived." if is_done else "")
        question = Question(
            title=f"Unarchive “{segment}”?",
            button="Unarchive",
            back=segment.get_absolute_url(),
            words=(
                "It is in the list again, as it was. Nobody enters or leaves before it "
                "is live.",
            ),
            asks_why=True,
        )
        return confirm(self.admin_site, request, question, segment)

    @transaction.atomic
    def suppression_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Let nobody in it be sent anything, by any engagement; or end that.

        To end it lets engagements send: it takes the right to activate them.
        """
        row_of(self, request, pk, "change")
        segment = Segment.objects.select_for_update(no_key=True).get(pk=pk)
        ends = segment.is_suppression
        if ends and not readers.may_decide(request.user):
            raise PermissionDenied("An Approver ends a suppression.")
        if request.method == "POST":
            Segment.objects.filter(pk=pk).update(is_suppression=not ends)
            what = "Suppression ended." if ends else "Made a suppression segment."
            return self._done(request, segment, what)
        question = _end_suppression(segment) if ends else _suppress(segment)
        return confirm(self.admin_site, request, question, segment)

    def duplicate_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        segment = row_of(self, request, pk)
        if not self.has_add_permission(request):
            raise PermissionDenied
        if request.method == "POST":
            try:
                made = copies.duplicate(segment, request.user)
            except ValidationError as e:
                messages.error(request, f"Nothing was duplicated. {e.messages[0]}")
                return HttpResponseRedirect(segment.get_absolute_url())
            self.log_addition(request, made, f"Duplicated from “{segment}”.")
            messages.success(request, f"“{made}” is made, as a draft.")
            return HttpResponseRedirect(made.get_absolute_url())
        question = Question(
            title=f"Duplicate “{segment}”?",
            button="Duplicate",
            back=segment.get_absolute_url(),
            words=(
                "The copy begins as a draft with the same rule: nobody is in it before "
                "it is live. It is not connected with the original any further.",
            ),
        )
        return confirm(self.admin_site, request, question, segment)

    def fixed_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Keep who is in it now as a segment of their own."""
        segment = row_of(self, request, pk)
        if not self.has_add_permission(request):
            raise PermissionDenied
        if request.method == "POST":
            made = snapshots.keep(segment, request.user)
            self.log_addition(request, made, f"Made of who was in “{segment}”.")
            messages.success(request, f"“{made}” is made.")
            return HttpResponseRedirect(made.get_absolute_url())
        question = Question(
            title=f"Keep who is in “{segment}” now as a fixed list?",
            button="Keep them",
            back=segment.get_absolute_url(),
            words=(
                f"A new segment has who is in it at that moment, {counted(segment.size, 'person', 'people')} now. "
                "Nobody enters it any more, and nobody leaves but who is erased, "
                "whatever becomes of this one.",
            ),
        )
        return confirm(self.admin_site, request, question, segment)

    def _done(self, request: HttpRequest, segment: Segment, what: str) -> HttpResponse:
        if what:
            self.log_change(request, segment, with_why(request, what))
            messages.success(request, f"“{segment}”: {what.lower()}")
        else:
            messages.info(request, "Nothing was done: somebody was first.")
        return HttpResponseRedirect(segment.get_absolute_url())


def _suppress(segment: Segment) -> Question:
    return Question(
        title=f"Never send to the people of “{segment}”?",
        button="Never send to them",
        tone="danger",
        back=segment.get_absolute_url(),
        words=(
            f"No Engagement sends anything to who is in it: {counted(segment.size, 'person', 'people')} now, "
            "and whoever enters. They are skipped when their request is written, and "
            "the report says so.",
            "Whoever changes the rule of this segment then changes whom all Engagements "
            "send to, and is asked about that. An Approver can end it.",
        ),
        asks_why=True,
    )


def _end_suppression(segment: Segment) -> Question:
    return Question(
        title=f"Let Engagements send to the people of “{segment}” again?",
        button="End the suppression",
        back=segment.get_absolute_url(),
        words=(
            f"{counted(segment.size, 'person is', 'people are')} in it. From the next "
            "request on they are sent what Engagements have for them; who was skipped is "
            "not sent by that.",
        ),
        asks_why=True,
    )


def _why_not_archived(segment: Segment, *, is_used: bool) -> str:
    if segment.is_suppression:
        return "It keeps its people from being sent to. End the suppression first."
    if is_used:
        return "These take their people from it. End or change them first."
    return ""
