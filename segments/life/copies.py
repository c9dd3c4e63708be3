"""A segment made of another: a draft with its rule."""

from django.db import transaction

from lemnisk_braze.lib.names import free_name
from segments.membership import counting, rule_changes
from segments.membership.readers import User
from segments.models import Segment


@transaction.atomic
def duplicate(segment: Segment, user: User) -> Segment:
    """A draft with the same rule, words and tags, under a name that is free.

    Raises a ValidationError where the rule is wrong, or asks for what is gone.
    """
    made = Segment(
        name=free_name(f"Copy of {segment.name}", Segment),
        description=segment.description,
        rule=segment.rule,
        tags=segment.tags,
        priority=segment.priority,
        owner_id=user.pk,
        is_active=False,
        is_draft=True,
    )
    counting.mark_changed(made)
    made.save()
    rule_changes.record(made, user, note=f"Duplicated from “{segment}”.")
    return made
