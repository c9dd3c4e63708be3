"""The winner of an engagement's variants: from then on everybody gets it.

Chosen by hand, and taken back by hand: then everybody gets again what they were drawn
for. (P) Whom a run has taken in is sent as it was then.
"""

from dataclasses import dataclass, replace

from django.contrib.auth.models import AnonymousUser
from django.contrib.auth.models import User as Account
from django.db import transaction
from django.db.models.functions import Now

from engagements import wakeup
from engagements.guards import holdout
from engagements.lifecycle import transitions
from engagements.models import Engagement
from engagements.variants import drawing, plan
from lemnisk_braze.lib.logs import after_commit, get_logger

logger = get_logger(__name__)

# So many are drawn one by one, in a fraction of a second; of more the share is told.
EXACT = 200_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Affected:
    """How many of the segment's people get another variant; `is_about` by the shares."""

    people: int
    of: int
    is_about: bool = False


def affected(engagement: Engagement, letter: str) -> Affected:
    """Whom it would give another variant than now; "" goes on testing.

    Whom the engagement holds out gets none, then as now.
    """
    now, then = plan.of(engagement), replace(plan.of(engagement), winner=letter)
    everybody = engagement.segment.memberships.count()
    if everybody > EXACT:
        moved = sum(now.at(n) != then.at(n) for n in range(plan.HUNDREDTHS))
        sent = 1 - engagement.holdout_share / 100
        people = int(everybody * sent * moved / plan.HUNDREDTHS)
        return Affected(people=people, of=everybody, is_about=True)
    ids = engagement.segment.memberships.values_list("profile_id", flat=True)
    members = set(ids.iterator())
    salt = holdout.own_salt(engagement.pk)
    members -= holdout.held_out(members, engagement.holdout_share, salt)
    places = (drawing.hundredth(engagement.pk, person) for person in members)
    found = sum(now.at(place) != then.at(place) for place in places)
    return Affected(people=found, of=everybody)


@transaction.atomic
def choose(
    engagement: Engagement, letter: str, user: Account | AnonymousUser | None
) -> bool:
    """Give everybody this variant, "" each their own; False where that is so already."""
    locked = Engagement.objects.select_for_update(no_key=True)
    engagement.refresh_from_db(from_queryset=locked)
    variants = plan.of(engagement)
    if letter == variants.winner or letter not in ("", *variants.letters):
        return False
    then = replace(variants, winner=letter)
    Engagement.objects.filter(pk=engagement.pk).update(
        variants=then.as_json(),
        winner_at=Now() if letter else None,
        winner_by=user.pk if user and letter else None,
    )
    engagement.refresh_from_db()
    if engagement.state == Engagement.State.ACTIVE:
        transitions.renew_standing_run(engagement)
        transaction.on_commit(wakeup.publish)
    after_commit(
        logger.info,
        "variants.winner_chosen" if letter else "variants.testing_again",
        engagement_id=engagement.pk,
        variant=letter or variants.winner,
    )
    return True
