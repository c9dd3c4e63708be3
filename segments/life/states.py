"""Archived segments: out of the way, still to be read, and back again.

Live and paused are `is_active`, which is asked about like a rule (rule_changes).
"""

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from segments.life import uses
from segments.membership.readers import Use, User
from segments.models import Proposal, Segment

State = Segment.State
# The rows in a state: Segment.state says the same of one.
IN_STATE = {
    State.DRAFT: Q(is_active=False, is_draft=True, archived_at=None),
    State.LIVE: Q(is_active=True),
    State.PAUSED: Q(is_active=False, is_draft=False, archived_at=None),
    State.ARCHIVED: Q(archived_at__isnull=False),
}


class StillUsedError(Exception):
    """Others take their people from it, or it keeps some from being sent to."""

    def __init__(self, found: list[Use]) -> None:
        super().__init__(self.__doc__)
        self.uses = found


@transaction.atomic
def archive(segment: Segment, user: User) -> bool:
    """Put a segment away; nobody enters or leaves. False: somebody was first.

    What was proposed about it is rejected by that.
    Raises StillUsedError. An activation locks the same row, so that no engagement begins
    with what is being archived.
    """
    locked = Segment.objects.select_for_update(no_key=True).get(pk=segment.pk)
    at_work = uses.at_work(locked)
    if at_work or locked.is_suppression:
        raise StillUsedError(at_work)
    if locked.archived_at:
        return False
    waiting = locked.proposals.filter(state=Proposal.State.OPEN)
    waiting.update(
        state=Proposal.State.REJECTED, decided_by_id=user.pk, decided_at=Now()
    )
    # A count that is at work ends.
    away = {"is_active": False, "archived_at": Now(), "counting_until": None}
    return bool(Segment.objects.filter(pk=locked.pk).update(**away))


def unarchive(segment: Segment) -> bool:
    """Have it again, paused or as a draft as it was; False: somebody was first."""
    rows = Segment.objects.filter(pk=segment.pk, archived_at__isnull=False)
    return bool(rows.update(archived_at=None))
