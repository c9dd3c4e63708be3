"""The page that asks before an engagement is duplicated."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path

from engagements.lifecycle import copies
from engagements.models import Engagement
from lemnisk_braze.lib.pages.confirm import Question, confirm
from lemnisk_braze.lib.pages.rows import row_of


class DuplicatePage:
    """Mixed into the engagement's admin."""

    admin_site: Any
    has_add_permission: Any
    log_addition: Any

    def duplicate_urls(self) -> list[URLPattern]:
        return [
            path(
                "<int:pk>/duplicate/",
                self.admin_site.admin_view(self.duplicate_view),
                name="engagements_engagement_duplicate",
            )
        ]

    def duplicate_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        engagement: Engagement = row_of(self, request, pk)
        if not self.has_add_permission(request):
            raise PermissionDenied
        if request.method == "POST":
            try:
                made = copies.duplicate(engagement, request.user)
            except Engagement.DoesNotExist as e:
                # Somebody has just deleted it.
                raise Http404 from e
            self.log_addition(request, made, f"Duplicated from “{engagement}”.")
            messages.success(request, f"“{made}” is made, as a draft.")
            return redirect(made.get_absolute_url())
        question = Question(
            title=f"Duplicate “{engagement}”?",
            button="Duplicate",
            back=engagement.get_absolute_url(),
            words=[
                "The copy begins as a draft with the same segment, External API, values,"
                " variants, schedule and guards: nothing is sent before it is activated."
                " It knows nothing of whom the original has sent to, and is not connected"
                " with it any further.",
                *_left(engagement),
            ],
        )
        return confirm(self.admin_site, request, question, engagement)


def _left(engagement: Engagement) -> list[str]:
    """What does not come along, though it is about the engagement."""
    names = list(engagement.caps.order_by("name").values_list("name", flat=True))
    if not names:
        return []
    caps = ", ".join(f"“{name}”" for name in names)
    is_are = "is" if len(names) == 1 else "are"
    return [f"Frequency caps of this Engagement alone: {caps} {is_are} not copied."]
