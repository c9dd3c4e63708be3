"""The operations page: how delivery is doing, what holds it back, and its brakes."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.views.decorators.cache import never_cache

from engagements.admin.actions import GUARDS_ASKED_AGAIN, log
from engagements.delivery import samples
from engagements.lifecycle import pause_all
from engagements.models import Engagement
from engagements.operations import chart, status
from engagements.outbox import workers
from engagements.recovery import retry_now
from engagements.recovery.selection import Choice
from lemnisk_braze.lib.counted import counted
from lemnisk_braze.lib.pages.confirm import Question, confirm
from lemnisk_braze.lib.pages.context import context_of

OPERATE = "engagements.operate_delivery"
RESEND = "engagements.resend_engagement"
# A page answers within this time; who has more to settle presses again.
SECONDS = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """Asks on GET, does it on POST; both get what the address names."""

    name: str
    path: str
    ask: Callable[..., Question]
    # Returns what was done, in words.
    do: Callable[..., str]
    permission: str = OPERATE


def urls(site: admin.AdminSite) -> list[URLPattern]:
    """The page's addresses, under those of the engagements."""
    view = site.admin_view
    return [
        path("operations/", view(partial(page, site)), name="engagements_operations"),
        path(
            "operations/now/",
            view(never_cache(now_view)),
            name="engagements_operations_now",
        ),
        *(
            path(
                f"operations/{operation.path}",
                view(partial(operation_view, site, operation)),
                name=f"engagements_{operation.name}",
            )
            for operation in OPERATIONS
        ),
    ]


def page(site: admin.AdminSite, request: HttpRequest) -> HttpResponse:
    context = context_of(site, request, "Operations") | _now(request)
    return TemplateResponse(request, "engagements/operations.html", context)


def now_view(request: HttpRequest) -> HttpResponse:
    """The part of the page that it asks for again and again."""
    return TemplateResponse(request, "engagements/operations_now.html", _now(request))


def _now(request: HttpRequest) -> dict[str, object]:
    check(request, OPERATE)
    snapshot = status.read()
    return {
        "now": snapshot,
        "picture": chart.draw(samples.last_hour(snapshot.read_at)),
        "may_resend": request.user.has_perm(RESEND),
    }


def check(request: HttpRequest, *permissions: str) -> None:
    if not request.user.has_perms(permissions):
        raise PermissionDenied


def operation_view(
    site: admin.AdminSite, operation: Operation, request: HttpRequest, **named: object
) -> HttpResponse:
    check(request, OPERATE, operation.permission)
    if any("\0" in str(name) for name in named.values()):
        raise Http404
    if request.method == "POST":
        messages.success(request, operation.do(request, **named))
        return redirect("admin:engagements_operations")
    question = operation.ask(request, **named)
    return confirm(site, request, question)


def _question(**fields: Any) -> Question:
    return Question(back=reverse("admin:engagements_operations"), **fields)


# --- Pause all, resume all --------------------------------------------------------


def _ask_pause(request: HttpRequest) -> Question:
    engagements = pause_all.active()
    return _question(
        title="Pause every active Engagement?",
        words=[
            f"{counted(len(engagements), 'Engagement')} with "
            f"{counted(pause_all.people_waiting(engagements), 'person', 'people')} in line: no new request starts "
            "until somebody resumes them. Requests under way end within 30 seconds."
        ],
        button="Pause all",
        tone="danger",
        refusal="" if engagements else "No Engagement is active: nothing to pause.",
    )


def _pause(request: HttpRequest) -> str:
    engagements = pause_all.pause_all()
    for engagement in engagements:
        log(request, engagement, "Paused by “Pause all”.")
    return f"Paused: {counted(len(engagements), 'Engagement')}. No new request starts."


def _ask_resume(request: HttpRequest) -> Question:
    engagements = pause_all.held()
    return _question(
        title="Resume what “Pause all” paused?",
        words=[
            f"{counted(len(engagements), 'Engagement')} with "
            f"{counted(pause_all.people_waiting(engagements), 'person', 'people')} in line, and everybody who "
            "entered their segments meanwhile. What somebody paused or ended by itself "
            "stays as it is."
        ],
        button="Resume all",
        refusal="" if engagements else "“Pause all” has paused no Engagement.",
    )


def _resume(request: HttpRequest) -> str:
    engagements = pause_all.resume_all()
    for engagement in engagements:
        log(request, engagement, "Resumed by “Resume all”.")
    return f"Resumed: {counted(len(engagements), 'Engagement')}."


# --- Retry now, drain -------------------------------------------------------------


def _ask_retry(request: HttpRequest) -> Question:
    batches = retry_now.waiting(Choice())
    return _question(
        title="Try again now?",
        words=[
            f"{counted(batches.people(), 'person', 'people')} in {counted(batches.count(), 'batch', 'batches')}: tried "
            "at once, and not when their time comes. Each try counts as before. A "
            "connection that asked us to wait, or whose circuit breaker is open, keeps its time."
        ],
        button="Retry now",
        refusal="" if batches.exists() else "No batch waits for its next attempt.",
    )


def _retry(request: HttpRequest) -> str:
    return f"Due now: {counted(retry_now.retry_now(Choice()), 'batch', 'batches')}."


def _ask_drain(request: HttpRequest, node: str) -> Question:
    return _question(
        title=f"Drain the worker {node}?",
        words=[
            f"{counted(workers.people_in_hand([node]), 'person in its hands is', 'people in its hands are')} finished, "
            "then it ends, as with SIGTERM on its own machine. Whatever started it may "
            "start it again."
        ],
        button="Drain",
        tone="danger",
        refusal="" if node in workers.named(node) else "It is not there any more.",
    )


def _drain(request: HttpRequest, node: str) -> str:
    return f"Asked to end: {counted(workers.drain([node]), 'process', 'processes')} of {node}."


# --- Uncertain people -------------------------------------------------------------


def _ask_resend(request: HttpRequest, pk: int) -> Question:
    engagement, people = _uncertain(pk)
    return _question(
        title="Send these people’s data again?",
        words=[
            f"{engagement}: the data of {counted(people, 'person', 'people')} is sent once more.",
            GUARDS_ASKED_AGAIN,
        ],
        warnings=[
            "Duplicates are possible. If a lost request did arrive, events and "
            "purchases are counted twice. Plain attributes do no harm."
        ],
        button="Resend",
        refusal="" if people else "Nobody is uncertain there any more.",
    )


def _ask_mark_sent(request: HttpRequest, pk: int) -> Question:
    engagement, people = _uncertain(pk)
    return _question(
        title="Mark these people as sent?",
        words=[
            f"{engagement}: {counted(people, 'person counts', 'people count')} as sent from now on, and nothing "
            "more is sent to them by these runs."
        ],
        warnings=[
            "If a lost request did not arrive, the data is missing on the other "
            "side. Look some of them up there before you decide."
        ],
        button="Mark as sent",
        refusal="" if people else "Nobody is uncertain there any more.",
    )


def _uncertain(pk: int) -> tuple[Engagement, int]:
    engagement = get_object_or_404(Engagement, pk=pk)
    return engagement, retry_now.uncertain(Choice(engagement=engagement)).people()


def _settle(decision: str, request: HttpRequest, pk: int) -> str:
    engagement = get_object_or_404(Engagement, pk=pk)
    done = retry_now.settle(Choice(engagement=engagement), decision, SECONDS)
    words = f"{engagement}: settled {counted(done.people, 'person', 'people')}."
    log(
        request,
        engagement,
        f"{decision}: {counted(done.people, 'person', 'people')} in bulk.",
    )
    if done.refused:
        words += f" {counted(done.refused, 'person stays', 'people stay')} uncertain: their run was ended, or its External API must pass its test cases first."
    if done.remaining:
        words += f" {counted(done.remaining, 'person remains', 'people remain')}: press the button once more."
    return words


OPERATIONS = (
    Operation(name="pause_all", path="pause-all/", ask=_ask_pause, do=_pause),
    Operation(name="resume_all", path="resume-all/", ask=_ask_resume, do=_resume),
    Operation(name="retry_now", path="retry-now/", ask=_ask_retry, do=_retry),
    Operation(name="drain", path="drain/<str:node>/", ask=_ask_drain, do=_drain),
    Operation(
        name="engagement_resend_all",
        path="uncertain/<int:pk>/resend/",
        ask=_ask_resend,
        do=partial(_settle, "resend"),
        permission=RESEND,
    ),
    Operation(
        name="engagement_mark_all_sent",
        path="uncertain/<int:pk>/mark-sent/",
        ask=_ask_mark_sent,
        do=partial(_settle, "mark_sent"),
        permission=RESEND,
    ),
)
