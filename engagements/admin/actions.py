"""What somebody may do to an engagement, a run or a batch, and the page that asks."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.html import format_html

from engagements.audience import to_take_in
from engagements.authoring import forecast
from engagements.guards import approved, ceiling
from engagements.lifecycle import transitions
from engagements.models import Batch, Engagement, Run
from engagements.reporting import listening
from engagements.schedules import words
from engagements.sync import state
from externalapi.connections.access import User, why_not
from externalapi.testing import cases
from lemnisk_braze.lib import database_clock
from lemnisk_braze.lib.pages.confirm import Question, confirm

State = Engagement.State
PRIMARY = "primary"
# Before a lost answer's people are sent again.
GUARDS_ASKED_AGAIN = (
    "Guards are asked again: who is stopped by one of them by now is sent nothing"
    " more, and stays uncertain."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One button: whose permission it needs, in which states it means something.

    `do` returns False when somebody else was first.
    """

    name: str
    label: str
    title: str
    done: str
    permission: str
    states: frozenset[str]
    do: Callable[[Any], bool]
    # What is said beside `done`: what comes of it.
    then: Callable[[Any], str] = field(default=lambda obj: "")
    # What to say where `do` returned False although the state was right.
    refused: str = ""
    # What happens, and to how many people; what to know before.
    words: Callable[[Any], Sequence[str]]
    warning: str = ""
    template: str = "lemnisk_braze/confirm.html"
    tone: str = PRIMARY
    # False: the button itself is enough, nothing is lost by pressing it.
    asks: bool = True
    context: Callable[[Any], Mapping[str, object]] = field(default=lambda obj: {})
    # Why this user may not, whatever the permissions say; "" where they may.
    refuse: Callable[[Any, User], str] = field(default=lambda obj, user: "")
    # Whether it means anything to this one, whatever its state.
    fits: Callable[[Any], bool] = field(default=lambda obj: True)

    def is_allowed(self, request: HttpRequest, obj: Any) -> bool:
        fits = obj.state in self.states and self.fits(obj)
        return fits and self.is_permitted(request)

    def is_permitted(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm(f"engagements.{self.permission}"))

    def url(self, obj: Model) -> str:
        name = f"admin:engagements_{obj._meta.model_name}_{self.name}"
        return reverse(name, args=[obj.pk])


@dataclass(frozen=True, slots=True, kw_only=True)
class Button:
    act: Act
    url: str
    tone: str


def buttons(
    request: HttpRequest, obj: Any, acts: tuple[Act, ...], *, has_primary: bool = False
) -> list[Button]:
    """The buttons that this user may press now.

    One at most is the primary: the last, such as Go on, which leads past a ceiling, and
    not Resume, which stops there again; none where another `has_primary`.
    """
    found = []
    for act in reversed([act for act in acts if act.is_allowed(request, obj)]):
        is_second = act.tone == PRIMARY and has_primary
        has_primary = has_primary or act.tone == PRIMARY
        tone = "default" if is_second else act.tone
        found.append(Button(act=act, url=act.url(obj), tone=tone))
    return found[::-1]


def act_view(
    site: admin.AdminSite, request: HttpRequest, obj: Any, act: Act
) -> HttpResponse:
    """Ask on GET, do on POST, and lead back to the object's page."""
    if not act.is_permitted(request):
        raise PermissionDenied
    if obj.state not in act.states or not act.fits(obj):
        messages.warning(request, _why_not(obj, act))
        return redirect(page_url(obj))
    refusal = act.refuse(obj, request.user)
    if request.method != "POST":
        return _confirmation(site, request, obj, act, refusal)
    if refusal:
        messages.error(request, f"Nothing was changed. {refusal}")
    else:
        _do(request, obj, act)
    return redirect(page_url(obj))


def _do(request: HttpRequest, obj: Any, act: Act) -> None:
    try:
        is_done = act.do(obj)
    except transitions.ActivationError as e:
        messages.error(request, with_link(e))
        return
    if not is_done:
        obj.refresh_from_db()
        messages.warning(request, _why_not(obj, act))
        return
    log(request, obj, act.done)
    messages.success(request, f"{act.done} {act.then(obj)}".strip())


def page_url(obj: Model) -> str:
    """The address of the object's own page."""
    name = f"admin:{obj._meta.app_label}_{obj._meta.model_name}_change"
    return reverse(name, args=[obj.pk])


def missing(
    model_admin: "admin.ModelAdmin[Any]", request: HttpRequest, object_id: str
) -> HttpResponse:
    """Lead somebody who asks for a row that is not there to the index, and say so."""
    name = model_admin.opts.verbose_name
    messages.warning(request, f"There is no {name} with the ID “{object_id}”.")
    return redirect("admin:index")


def log(request: HttpRequest, obj: Model, message: str) -> None:
    """Write who did it into the object's history."""
    admin.site.get_model_admin(type(obj)).log_change(request, obj, message)


def with_link(error: transitions.ActivationError) -> str:
    """What is in the way, and where to go."""
    if not error.url:
        return str(error)
    return format_html('{} <a href="{}">{}</a>', error, error.url, error.link)


def _why_not(obj: Any, act: Act) -> str:
    is_late = obj.state not in act.states or not act.refused
    return _too_late(obj) if is_late else act.refused


def _too_late(obj: Any) -> str:
    state = obj.get_state_display()
    return f"Nothing was changed: “{obj}” is in the state “{state}” by now."


def _confirmation(
    site: admin.AdminSite, request: HttpRequest, obj: Any, act: Act, refusal: str
) -> HttpResponse:
    question = Question(
        title=act.title,
        button=act.label,
        back=page_url(obj),
        words=act.words(obj),
        warnings=[act.warning] if act.warning else [],
        refusal=refusal,
        tone=act.tone,
    )
    context = act.context(obj)
    return confirm(site, request, question, obj, act.template, **context)


def _activate(engagement: Engagement) -> bool:
    transitions.activate(engagement)
    return True


def _activation(engagement: Engagement) -> dict[str, object]:
    return {
        "impact": forecast.activation_impact(engagement),
        "cases_why_not": cases.why_not(engagement.version),
        "cases_url": cases.url(engagement.version),
    }


def _limit(engagement: Engagement, user: User) -> str:
    return why_not(engagement.version.connection, user)


def _waits_for_approval(engagement: Engagement) -> bool:
    """Whether a run of it has asked, and nobody has answered."""
    asked = approved.waiting(engagement)
    is_asked_by_run = asked is not None and asked.run_id is not None
    return is_asked_by_run and approved.limit(engagement) is not None


def _resync_words(engagement: Engagement) -> Sequence[str]:
    people = state.people(engagement)
    who = "person" if people == 1 else "people"
    return [
        engagement.name,
        f"What Braze has accepted of {people:,} {who} is forgotten: whoever is in the"
        " segment at the next run is sent as if for the first time, and data points are"
        " paid once more. Attributes whose value has gone are cleared.",
        "Nothing is sent by this itself.",
    ]


def _resync(engagement: Engagement) -> bool:
    state.resync(engagement)
    return True


def _end_words(engagement: Engagement) -> Sequence[str]:
    never_sent = _never_sent(engagement.runs.filter(state__in=Run.OPEN))
    ended = listening.ended_in_words(engagement)
    return [engagement.name, never_sent, f"{ended} What was sent stays on record."]


def _cancel_words(run: Run) -> Sequence[str]:
    return [_named(run), f"{_never_sent([run])} What was sent stays on record."]


def _named(run: Run, batch: Batch | None = None) -> str:
    """As other pages call them."""
    of = f"{run.engagement} · run {run.pk}"
    return f"{of} · batch {batch.sequence}" if batch else of


def _never_sent(runs: Iterable[Run]) -> str:
    """Who is in a batch of theirs, and whom no batch holds yet."""
    runs = list(runs)
    in_line = Batch.objects.filter(run__in=runs).open().people()
    to_come = sum(map(to_take_in.people, runs))
    said = []
    if in_line:
        who = "person is" if in_line == 1 else "people are"
        said.append(f"{in_line:,} {who} still waiting in line")
    if to_come:
        who = "person waits" if to_come == 1 else "people wait"
        said.append(f"{to_come:,} {who} to be taken in")
    if not said:
        return "Nobody is waiting in line."
    whom = "that person" if in_line + to_come == 1 else "them"
    return f"{', and '.join(said)}: nothing will be sent to {whom}."


def _resend_words(batch: Batch) -> Sequence[str]:
    people = _people(batch)
    who = "person" if people == 1 else "people"
    return [
        _named(batch.run, batch),
        f"The data of {people:,} {who} is sent once more.",
        GUARDS_ASKED_AGAIN,
    ]


def _mark_sent_words(batch: Batch) -> Sequence[str]:
    people = _people(batch)
    who = "person counts" if people == 1 else "people count"
    return [
        _named(batch.run, batch),
        f"{people:,} {who} as sent from now on, and nothing more is sent to "
        f"{'that person' if people == 1 else 'them'} by this run.",
    ]


def _people(batch: Batch) -> int:
    return len(batch.profile_ids) - len(batch.left_out)


ENGAGEMENT_ACTS = (
    Act(
        name="activate",
        label="Activate",
        title="Activate this Engagement?",
        done="The Engagement is active.",
        permission="activate_engagement",
        states=frozenset({State.DRAFT, State.ENDED}),
        do=_activate,
        words=lambda engagement: [],
        template="engagements/activate.html",
        context=_activation,
        refuse=_limit,
    ),
    Act(
        name="pause",
        label="Pause",
        title="Pause this Engagement?",
        done="The Engagement is paused. No new request starts.",
        permission="pause_engagement",
        states=frozenset({State.ACTIVE}),
        do=transitions.pause,
        words=lambda engagement: [
            engagement.name,
            "No new request starts until you resume it. Requests that are under way "
            "end within 30 seconds.",
        ],
        tone="default",
        asks=False,
    ),
    Act(
        name="resume",
        label="Resume",
        title="Resume this Engagement?",
        done="The Engagement is active again.",
        permission="pause_engagement",
        states=frozenset({State.PAUSED, State.BLOCKED}),
        do=transitions.resume,
        words=lambda engagement: [
            engagement.name,
            "Everybody who waits in line is sent.",
            listening.meanwhile_in_words(engagement),
        ],
        then=lambda engagement: words.in_words(engagement, database_clock.now()),
        asks=False,
        refuse=_limit,
        fits=lambda engagement: not _waits_for_approval(engagement),
        refused="Nothing was changed: it waits for approval by a second person.",
    ),
    Act(
        name="resync",
        label="Full resync",
        title="Forget what Braze has accepted?",
        done="What Braze has accepted is forgotten.",
        permission="activate_engagement",
        states=frozenset({State.ACTIVE, State.PAUSED, State.BLOCKED, State.ENDED}),
        do=_resync,
        words=_resync_words,
        tone="default",
        refuse=_limit,
        fits=lambda engagement: bool(engagement.compares),
    ),
    Act(
        name="go_on",
        label="Go on",
        title="Go on above the ceiling?",
        done="The run goes on above its ceiling.",
        permission="activate_engagement",
        states=frozenset({State.PAUSED}),
        do=transitions.go_on,
        fits=lambda engagement: (
            ceiling.waiting_run(engagement) is not None
            and not _waits_for_approval(engagement)
        ),
        words=lambda engagement: [
            engagement.blocked_reason,
            "They are taken in, and sent as the others are. To send to nobody more, "
            "cancel the run instead.",
        ],
        refused="Nothing was changed: no run waits at its ceiling any more.",
        refuse=_limit,
    ),
    Act(
        name="end",
        label="End",
        title="End this Engagement for good?",
        done="The Engagement has ended.",
        permission="pause_engagement",
        states=frozenset({State.ACTIVE, State.PAUSED, State.BLOCKED}),
        do=transitions.end,
        words=_end_words,
        tone="danger",
    ),
)
RUN_ACTS = (
    Act(
        name="cancel",
        label="Cancel this run",
        title="Cancel this run?",
        done="The run is cancelled.",
        permission="pause_engagement",
        states=frozenset(Run.OPEN),
        do=transitions.cancel,
        words=_cancel_words,
        tone="danger",
    ),
)
BATCH_ACTS = (
    Act(
        name="resend",
        label="Resend",
        title="Send these people’s data again?",
        done="The people wait in line again.",
        permission="resend_engagement",
        states=frozenset({Batch.State.UNCERTAIN}),
        do=lambda batch: transitions.decide(batch, "resend"),
        words=_resend_words,
        warning="Duplicates are possible. If the lost request did arrive, events and "
        "purchases are counted twice. Plain attributes do no harm.",
        refused="Nothing was sent: the run or its Engagement was ended meanwhile.",
    ),
    Act(
        name="mark_sent",
        label="Mark as sent",
        title="Mark these people as sent?",
        done="The people are marked as sent.",
        permission="resend_engagement",
        states=frozenset({Batch.State.UNCERTAIN}),
        do=lambda batch: transitions.decide(batch, "mark_sent"),
        words=_mark_sent_words,
        warning="If the lost request did not arrive, the data is missing on the other "
        "side. Look it up there before you decide.",
        tone="default",
    ),
)
