"""The list of deliveries: further filters, "Retry", and the export."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from engagements.admin.actions import log, page_url
from engagements.models import Delivery
from engagements.recovery import retry_failed
from engagements.reporting import export
from lemnisk_braze.lib.counted import counted
from lemnisk_braze.lib.logs import get_logger
from lemnisk_braze.lib.pages.confirm import Question, confirm

logger = get_logger(__name__)

RETRY = "engagements.resend_engagement"
EXPORT = "engagements.export_delivery"
# So many people one press of the button takes along: the page answers in seconds.
MOST = 50_000
NOBODY = (
    "Of these deliveries none can be tried again. Everybody who was not sent can, each"
    " once."
)
IN_THE_WAY = (
    "Others were at work on the same people, so not everybody could be taken along."
    " Nobody is lost or taken twice: press Retry again in a minute."
)


class ReplayMixin:
    """For the admin of deliveries: what can be done with all that the list shows."""

    list_filter_submit = True
    list_before_template = "engagements/deliveries_tools.html"

    def get_urls(self: Any) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("retry/", view(self.retry_view), name="engagements_delivery_retry"),
            path("export/", view(self.export_view), name="engagements_delivery_export"),
            *super().get_urls(),  # type: ignore[misc]
        ]

    def retry_view(self: Any, request: HttpRequest) -> HttpResponse:
        """Ask on GET, with numbers; on POST try the failed people of the list again."""
        _check(self, request, RETRY)
        deliveries = _listed(self, request)
        if deliveries is None:
            return _back(request, "This filter cannot be read. Nothing was sent.")
        counts = retry_failed.counts(deliveries)
        chosen = _chosen(request)
        deliveries = deliveries.filter(state__in=chosen)
        if request.method == "POST":
            return _retry(request, deliveries)
        return _ask_retry(self.admin_site, request, deliveries, counts)

    def export_view(self: Any, request: HttpRequest) -> HttpResponseBase:
        """All deliveries of the list as CSV, streamed."""
        _check(self, request, EXPORT)
        deliveries = _listed(self, request)
        if deliveries is None:
            return _back(request, "This filter cannot be read. Nothing was exported.")
        # What was searched for may name somebody.
        logger.info(
            "deliveries.exported", user_id=request.user.pk, filters=sorted(request.GET)
        )
        answer = StreamingHttpResponse(
            export.lines(deliveries, request.user),
            content_type="text/csv; charset=utf-8",
        )
        name = f"deliveries-{timezone.localtime():%Y-%m-%d-%H%M}.csv"
        answer["Content-Disposition"] = f'attachment; filename="{name}"'
        return answer


def _check(model_admin: Any, request: HttpRequest, permission: str) -> None:
    may_look = model_admin.has_view_permission(request)
    if not may_look or not request.user.has_perm(permission):
        raise PermissionDenied


def _listed(
    model_admin: "admin.ModelAdmin[Delivery]", request: HttpRequest
) -> QuerySet[Delivery] | None:
    """What the list shows with the same address, on all of its pages."""
    try:
        found: QuerySet[Delivery] = model_admin.get_changelist_instance(
            request
        ).queryset
    except IncorrectLookupParameters:
        return None
    return found


def _chosen(request: HttpRequest) -> list[str]:
    """The states that a retry takes along: some only where the list shows them alone."""
    named = request.GET.get("state__exact", "")
    return [*retry_failed.FAILED, *([named] if named in retry_failed.BY_NAME else [])]


def _retry_url(request: HttpRequest, state: str) -> str:
    """The same page, about one state."""
    query = request.GET.copy()
    query["state__exact"] = state
    return f"{reverse('admin:engagements_delivery_retry')}?{query.urlencode()}"


def _ask_retry(
    site: admin.AdminSite,
    request: HttpRequest,
    deliveries: QuerySet[Delivery],
    counts: Mapping[str, int],
) -> HttpResponse:
    shares = retry_failed.shares(deliveries)
    possible = [share for share in shares if share.is_possible]
    people = sum(share.people for share in possible)
    who = "person waits" if people == 1 else "people wait"
    question = Question(
        title="Retry what was not sent?",
        button=f"Retry {people:,}",
        back=_list_url(request),
        words=[
            f"{people:,} {who} in line again, in a new run, with their data and the "
            "Engagement’s values as they are now. What was recorded about them stays on "
            "record.",
        ],
        warnings=list(_warnings(possible, people)),
        refusal="" if people else NOBODY,
    )
    chosen = _chosen(request)
    others = [
        (Delivery.State(state).label, count, _retry_url(request, state))
        for state, count in counts.items()
        if state not in chosen
    ]
    template = "engagements/retry.html"
    opts = Delivery._meta
    return confirm(
        site, request, question, None, template, shares=shares, others=others, opts=opts
    )


def _warnings(shares: Sequence[retry_failed.Share], people: int) -> Iterable[str]:
    """What may be sent twice, and how many wait for another press."""
    ambiguous = sum(share.ambiguous for share in shares)
    unverified = sum(share.unverified for share in shares)
    rejected = sum(share.rejected for share in shares)
    if people > MOST:
        yield f"One press takes {MOST:,} of them along. Press again for the rest."
    if ambiguous:
        yield (
            f"Duplicates are possible for {ambiguous:,} of them. An answer to an earlier "
            "attempt was lost: if it had arrived, events and purchases are counted "
            "twice. Plain attributes do no harm."
        )
    if unverified:
        yield (
            f"For {unverified:,} of them this may be a repeat. The other side accepted "
            "the request, and nobody could tell what it took. Look some of them up there "
            "before you send it again."
        )
    if rejected:
        yield (
            f"{rejected:,} {'was' if rejected == 1 else 'were'} rejected. Where the other "
            "side refused a part of somebody’s data and took another, such as an event "
            "beside an attribute, that other part is sent twice."
        )


def _retry(request: HttpRequest, deliveries: QuerySet[Delivery]) -> HttpResponse:
    done = retry_failed.retry(deliveries, MOST)
    if done.is_cut_short:
        messages.warning(request, IN_THE_WAY)
    if not done.runs and done.is_cut_short:
        return redirect(_list_url(request))
    if not done.runs:
        return _back(request, "Nobody was left to be tried again.")
    for run in done.runs:
        log(request, run, f"Tries people of “{run.retry_of}” again.")
    wait = counted(done.people, "person waits", "people wait")
    messages.success(request, f"{wait} in line again.")
    if len(done.runs) == 1:
        return redirect(page_url(done.runs[0]))
    return redirect("admin:engagements_run_changelist")


def _back(request: HttpRequest, words: str) -> HttpResponse:
    messages.warning(request, words)
    return redirect("admin:engagements_delivery_changelist")


def _list_url(request: HttpRequest) -> str:
    url = reverse("admin:engagements_delivery_changelist")
    return f"{url}?{request.GET.urlencode()}"
