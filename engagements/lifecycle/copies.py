"""An engagement made of another: a draft with all that was set in it."""

from dataclasses import replace
from typing import Any

from django.db import transaction
from django.db.models.functions import Now

from engagements.guards import approved
from engagements.models import Engagement, ExcludedSegment
from engagements.variants import plan
from lemnisk_braze.lib.names import free_name
from segments.membership.readers import User

# What is sent, and what is said of it; a setting that is new is among them.
COPIED = (*approved.FIELDS, "description", "approval_above")


@transaction.atomic
def duplicate(engagement: Engagement, user: User) -> Engagement:
    """A draft with the same settings under a name that is free: nothing has happened yet.

    Who won among its variants was found by what the other has sent.
    """
    # Locked, so that a payload that is written in it is not replaced and deleted.
    original = Engagement.objects.select_for_update().get(pk=engagement.pk)
    settings: dict[str, Any] = {name: getattr(original, name) for name in COPIED}
    settings["variants"] = replace(plan.of(original), winner="").as_json()
    made = Engagement.objects.create(
        **settings,
        name=free_name(f"Copy of {original.name}", Engagement),
        schedule_set_at=Now(),
        created_by_id=user.pk,
    )
    ExcludedSegment.objects.bulk_create(
        ExcludedSegment(engagement=made, segment_id=one)
        for one in original.exclusions.values_list("segment", flat=True)
    )
    approved.note_change(made, None, user.pk or 0)
    made.refresh_from_db()
    return made
