"""Asking that an engagement may send, and what an Approver answers.

Whoever may not activate it asks; above a number of people (guards.approved) whoever may
asks too, and a run asks by itself. It is answered by a second person: neither by whoever
asked nor by whoever changed what is sent since it was approved last.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

from django.contrib.admin.models import LogEntry
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Lower, Now

from engagements.guards import approved, ceiling
from engagements.lifecycle import transitions
from engagements.models import Approval, Engagement
from externalapi.connections.access import why_not
from externalapi.models import Connection, ExternalAPIVersion
from segments.models import Proposal, Segment, SegmentVersion

AnyUser: TypeAlias = AbstractBaseUser | AnonymousUser
State = Approval.State

PERMISSION = "engagements.activate_engagement"
EDIT = "engagements.change_engagement"
BACKEND = "django.contrib.auth.backends.ModelBackend"
# Waiting for somebody's word: a draft, or one that was stopped.
ASKABLE = (
    *Engagement.AT_REST,
    Engagement.State.PAUSED,
    Engagement.State.BLOCKED,
)
SHOWN = 10
ASKED = "You asked for it"
CHANGED = "You have changed the Engagement since it was approved last"
CHANGED_API = "You have changed its External API since it was approved last"
CHANGED_NAME = "You have changed its Segment, whose name is sent"
CHANGED_WHERE = "You have changed where it is sent to since it was approved last"
CHANGED_WHO = "You have changed who is in its segments since it was approved last"


class AnsweredError(Exception):
    """It was answered meanwhile, or is about something else by now; the text says so."""


@transaction.atomic
def ask(engagement: Engagement, user: AnyUser, people: int) -> bool:
    """Record who asks; False where it was asked already, or is not to be activated.

    `people`: whom a run would take in.
    """
    locked = Engagement.objects.select_for_update(no_key=True)
    one = locked.filter(pk=engagement.pk, state__in=ASKABLE).first()
    return one is not None and approved.request(one, people, user.pk)


# --- Who answers ----------------------------------------------------------------------


def refusal(asked: Approval, user: AnyUser) -> str:
    """Why the user may not answer, in words; "" where they may."""
    if not user.has_perm(PERMISSION):  # type: ignore[union-attr]
        return "An Approver answers."
    if reason := concerned(asked).get(user.pk or 0):
        return f"{reason}: somebody else answers."
    return why_not(asked.engagement.version.connection, user)  # type: ignore[arg-type]


def concerned(asked: Approval) -> Mapping[int, str]:
    """User id → why they are not the second person."""
    engagement = asked.engagement
    last = approved.last_approved(engagement)
    now = approved.content(engagement)
    found = dict.fromkeys(_who_changed_segments(now, last), CHANGED_WHO)
    if last and last.content.get("said", {}).get("segment") != now["said"].get(
        "segment"
    ):
        found |= dict.fromkeys(_who_edited(engagement.segment, last), CHANGED_NAME)
    found |= dict.fromkeys(_who_changed_api(engagement, last), CHANGED_API)
    if last and last.content.get("queries") != now["queries"]:
        for one in Segment.objects.filter(pk__in=now["rules"]):
            found |= dict.fromkeys(_who_edited(one, last), CHANGED_WHO)
    if last and last.content.get("sent_to") != now["sent_to"]:
        connection = engagement.version.connection
        found |= dict.fromkeys(_who_edited(connection, last), CHANGED_WHERE)
    found |= dict.fromkeys(engagement.changed_by, CHANGED)
    if asked.asked_by_id:
        found[asked.asked_by_id] = ASKED
    return {**_other_accounts(found), **found}


def _other_accounts(found: Mapping[int, str]) -> Mapping[int, str]:
    """The same of who has another account, with the same e-mail address."""
    known = User.objects.exclude(email="").annotate(address=Lower("email"))
    theirs = {one.address: one for one in known.filter(pk__in=found)}
    others = known.filter(address__in=theirs).exclude(pk__in=found)
    return {
        one.pk: f"{found[theirs[one.address].pk]}, with the account"
        f" “{theirs[one.address]}”"
        for one in others
    }


def _who_changed_api(engagement: Engagement, last: Approval | None) -> Iterator[int]:
    """Who made the versions since the one that was approved; without one, this one."""
    # Who wrote the payload has changed the engagement.
    version = engagement.version.written_on or engagement.version
    every = ExternalAPIVersion.objects.filter(external_api=version.external_api_id)
    versions = every.filter(written_on=None)
    number = version.number - 1
    if last:
        before = every.filter(pk=last.content["fields"]["version"]).first()
        number = (before.written_on or before).number if before else number
    since = versions.filter(number__gt=number, number__lte=version.number)
    yield from since.exclude(created_by=None).values_list("created_by", flat=True)


def _who_edited(what: Connection | Segment, last: Approval) -> Iterator[int]:
    """Whose changes are in its history since then."""
    lines = LogEntry.objects.filter(
        content_type=ContentType.objects.get_for_model(what),
        object_id=str(what.pk),
        action_time__gt=last.answered_at,
    )
    yield from lines.values_list("user", flat=True)


def _who_changed_segments(
    now: approved.Content, last: Approval | None
) -> Iterator[int]:
    """Who gave its segments' rules since then, proposed ones too; the newest without."""
    before = last.content["rules"] if last else {}
    for id, rule in now["rules"].items():
        if before.get(id) == rule:
            continue
        versions = SegmentVersion.objects.filter(segment=id)
        proposals = Proposal.objects.filter(
            segment=id, state=Proposal.State.ACCEPTED, rule=rule
        )
        if last:
            newest = versions.filter(made_at__gt=last.answered_at)
            proposals = Proposal.objects.filter(
                segment=id,
                state=Proposal.State.ACCEPTED,
                decided_at__gt=last.answered_at,
            )
        else:
            newest = versions.order_by("-number")[:1]
        made = newest.values_list("made_by", flat=True)
        for user_id in (*made, *proposals.values_list("proposed_by", flat=True)):
            if user_id:
                yield user_id


def approvers(asked: Approval) -> list[User]:
    """Who may answer, by name."""
    able = User.objects.with_perm(PERMISSION, backend=BACKEND)
    others = able.exclude(pk__in=concerned(asked).keys()).order_by("username")
    connection = asked.engagement.version.connection
    return [user for user in others if not why_not(connection, user)]


# --- What they answer -----------------------------------------------------------------


@transaction.atomic
def approve(asked: Approval, user: AnyUser, *, most: int, seen: str, why: str) -> None:
    """Approve what was seen, for at most so many people a run; and have it sent.

    Approved and active at once, or neither. `seen` says what was looked at
    (approved.seen). Raises AnsweredError, PermissionDenied, and ActivationError as
    transitions.activate does; nothing has changed then.
    """
    row = _locked(asked, user)
    engagement = row.engagement
    pinned = approved.looked_at(engagement, row.kept_run)
    if approved.seen(pinned) != seen:
        raise AnsweredError(
            "What it sends was changed meanwhile. Nothing was approved: this is what it"
            " sends now."
        )
    row.state, row.most, row.why = State.APPROVED, most, why
    row.content, row.digest = pinned, approved.digest(pinned)
    _answer(row, user)
    if approved.digest(approved.content(engagement)) in seen:
        # From here on others are told apart. A run may have kept what it was before
        # somebody changed it: then that is still to be approved.
        Engagement.objects.filter(pk=engagement.pk).update(changed_by=[])
    if engagement.state in Engagement.AT_REST:
        transitions.activate(engagement)
    else:
        ceiling.lift(engagement)
        transitions.resume(engagement)


@transaction.atomic
def decline(asked: Approval, user: AnyUser, why: str) -> None:
    """Say no, with the reason: a run that waits for it is cancelled, and all of it ends.

    A draft stays one. Raises AnsweredError and PermissionDenied.
    """
    row = _locked(asked, user)
    row.state, row.why = State.DECLINED, why
    _answer(row, user)
    if row.run_id:
        transitions.end(row.engagement)


def may_withdraw(asked: Approval, user: AnyUser) -> bool:
    """Whether it is theirs to take back: who asked, or whoever may edit the engagement."""
    is_mine = asked.asked_by_id is not None and asked.asked_by_id == user.pk
    return is_mine or user.has_perm(EDIT)  # type: ignore[union-attr]


def not_withdrawn(asked: Approval) -> str:
    """Why it is not to be taken back by anybody; "" where it is."""
    if asked.state != State.WAITING:
        return answered_words(asked)
    if asked.run_id:
        return "A run asks, and would ask again: to leave it out, cancel the run."
    return ""


@transaction.atomic
def withdraw(asked: Approval, user: AnyUser) -> None:
    """Take back what somebody asked: nothing is sent, and it may be asked again.

    Raises AnsweredError, also for what a run asks, and PermissionDenied.
    """
    row = _locked_row(asked)
    if reason := not_withdrawn(row):
        raise AnsweredError(f"Nothing was done: {reason}")
    known = User.objects.filter(pk=user.pk or 0, is_active=True).first()
    if known is None or not may_withdraw(row, known):
        raise PermissionDenied
    row.state = State.WITHDRAWN
    _answer(row, user)


def _locked(asked: Approval, user: AnyUser) -> Approval:
    """The row as it is now, with its engagement locked, where the user may answer it."""
    row = _locked_row(asked)
    if row.state != State.WAITING:
        raise AnsweredError(f"Nothing was done: {answered_words(row)}")
    # As it is now: somebody may have taken the permission away since they signed in.
    known = User.objects.filter(pk=user.pk or 0, is_active=True).first()
    if known is None or refusal(row, known):
        raise PermissionDenied
    return row


def _locked_row(asked: Approval) -> Approval:
    """The row as it is now, with its engagement locked."""
    locked = Engagement.objects.select_for_update(no_key=True)
    engagement = locked.get(pk=asked.engagement_id)
    row = Approval.objects.select_for_update(of=("self",)).get(pk=asked.pk)
    row.engagement = engagement
    return row


def _answer(row: Approval, user: AnyUser) -> None:
    row.answered_by_id = user.pk
    row.answered_at = Now()
    row.is_asking_due, row.is_answer_due = False, True
    row.save()
    row.refresh_from_db(fields=["answered_at"])


def answered_words(row: Approval) -> str:
    """What became of it, as a sentence."""
    if row.state == State.WAITING:
        return "It waits for approval."
    if row.state == State.CLOSED:
        return "It is not needed any more."
    who = row.answered_by or "somebody who is not here any more"
    return f"It was {row.get_state_display().lower()} by {who}."


def waiting_for(user: AnyUser, most: int) -> Sequence[Approval]:
    """What waits for this user's answer, or was asked by them; the longest first."""
    found = Approval.objects.filter(state=State.WAITING)
    if not user.has_perm(PERMISSION):  # type: ignore[union-attr]
        found = found.filter(Q(asked_by=user.pk) | Q(engagement__created_by=user.pk))
    related = found.select_related(
        "asked_by", "engagement__segment", "engagement__version__external_api"
    )
    return list(related.order_by("asked_at")[:most])


def answers(engagement: Engagement, most: int = SHOWN) -> Sequence[Approval]:
    """What was asked about an engagement, and how it was answered; the newest first."""
    found = engagement.approvals.select_related("asked_by", "answered_by")
    return list(found.order_by("-pk")[:most])
