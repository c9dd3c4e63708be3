"""Who sends to a segment's people: the apps above tell, this one does not know them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from django.contrib.auth.models import AnonymousUser
from django.contrib.auth.models import User as AnyUser

from segments.models import Segment

# Who asks; whoever may do anything is signed in.
User: TypeAlias = AnyUser | AnonymousUser


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What a reader does with people who move: how many it would send to, and when.

    `state` and `tone` are its badge. `sent` is None where it could not be counted.
    """

    name: str
    url: str
    state: str
    tone: str
    sent: int | None
    when: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """Something that has the segment; `tone` is the colour of its state's badge.

    `is_at_work`: it sends, or can go on without being activated anew.
    """

    name: str
    url: str
    kind: str
    state: str
    tone: str
    is_at_work: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Readers:
    """What an app above answers, and the permission that a change needs then.

    `refusal` says why this user may not change this segment, whatever the permission
    says; "" where they may.
    """

    read: Callable[[Segment], bool]
    effects: Callable[[Segment, Sequence[int], Sequence[int]], list[Effect]]
    refusal: Callable[[Segment, User], str]
    uses: Callable[[Segment], list[Use]]
    permission: str


_registered: list[Readers] = []


def register(readers: Readers) -> None:
    """Called once, when the app above is ready."""
    _registered.append(readers)


def is_read(segment: Segment) -> bool:
    """Whether somebody sends to its people, or will when it is resumed."""
    return any(readers.read(segment) for readers in _registered)


def effects(
    segment: Segment, entering: Sequence[int] = (), leaving: Sequence[int] = ()
) -> list[Effect]:
    """What becomes of these people where they enter, and of those where they leave."""
    found = [readers.effects(segment, entering, leaving) for readers in _registered]
    return [effect for one in found for effect in one]


def uses(segment: Segment) -> list[Use]:
    """All that has the segment in the apps above, at work or not."""
    return [use for readers in _registered for use in readers.uses(segment)]


def may_decide(user: User) -> bool:
    """Whether the user may change whom a segment takes in that is read."""
    return all(user.has_perm(readers.permission) for readers in _registered)


def refusal(segment: Segment, user: User) -> str:
    """Why a user who may decide may not change this segment; "" where they may."""
    found = (readers.refusal(segment, user) for readers in _registered)
    return next(filter(None, found), "")


def keep_again(segment_id: int, *, is_kept: bool = True) -> None:
    """Log from now on, or no longer, what a segment's people do again that counts.

    In the transaction of who listens: whoever evaluates the segment behind it does so.
    """
    Segment.objects.filter(pk=segment_id).update(keeps_again=is_kept)
