"""The brake for everything: pause all that is active, and resume just that."""

from django.db import transaction

from engagements.lifecycle import transitions
from engagements.models import Batch, Engagement, Run

State = Engagement.State


@transaction.atomic
def pause_all() -> list[Engagement]:
    """Pause every active engagement, with a mark; return them.

    After this commits no new request starts; what is on the wire ends.
    """
    active = Engagement.objects.filter(state=State.ACTIVE).order_by("pk")
    # Locked in order, as everybody does who locks more than one.
    ids = list(active.select_for_update(no_key=True).values_list("pk", flat=True))
    Engagement.objects.filter(pk__in=ids).update(state=State.PAUSED, is_held=True)
    return list(Engagement.objects.filter(pk__in=ids).order_by("pk"))


def resume_all() -> list[Engagement]:
    """Resume the engagements that “Pause all” paused, and no other; return them.

    One whose version may not go live stays, and its page says why.
    """
    return [
        engagement for engagement in held() if transitions.resume_or_say(engagement)
    ]


def held() -> list[Engagement]:
    """The engagements that “Resume all” would resume."""
    return list(Engagement.objects.filter(is_held=True).order_by("pk"))


def active() -> list[Engagement]:
    """The engagements that “Pause all” would pause."""
    return list(Engagement.objects.filter(state=State.ACTIVE).order_by("pk"))


def people_waiting(engagements: list[Engagement]) -> int:
    """How many people of these engagements are not sent yet."""
    return Batch.objects.filter(
        run__engagement__in=engagements,
        run__state__in=Run.OPEN,
        state__in=Batch.OPEN,
    ).people()
