"""A key or an address that is wrong: everybody's problem, and nobody's attempt.

The engagements that would fail alike stop at once, each with the reason; those that
the key stopped go on by themselves when it is replaced.
"""

from django.db.models import F

from engagements import lifecycle
from engagements.letters import Result
from engagements.models import Engagement, Run
from externalapi.models import Connection

# The key itself was not accepted; all other statuses are about one External API.
KEY_REFUSED = 401


def block(result: Result) -> None:
    """Stop the engagement of this letter, and those that the same error would meet.

    Not where the key was replaced while the request was on its way: with the new one
    it is simply sent again. Call it in a transaction.
    """
    version = result.letter.run.version
    used = version.connection
    newest = Connection.objects.values_list("key_version", flat=True).get(pk=used.pk)
    if newest > used.key_version:
        return
    is_key = result.status == KEY_REFUSED
    alike = {"version__connection": used} if is_key else {"version": version}
    runs = Run.objects.filter(**alike, state__in=Run.OPEN)
    stopped = Engagement.objects.filter(
        pk__in=runs.values("engagement"), state=Engagement.State.ACTIVE
    )
    # Locked in order, as everybody does who locks more than one.
    locked = stopped.order_by("pk").select_for_update(no_key=True)
    ids = list(locked.values_list("pk", flat=True))
    Engagement.objects.filter(pk__in=ids).update(
        state=Engagement.State.BLOCKED,
        blocked_reason=_reason(result, is_key),
        blocked_key_version=newest if is_key else None,
        is_notice_due=True,
    )


def _reason(result: Result, is_key: bool) -> str:
    words = result.verdict.message
    if result.status is None:
        return words
    said = f"{result.status} {words}".strip()
    promise = " With a new key it goes on by itself." if is_key else ""
    return f"{result.advice}{promise} The answer was: {said}"


def resume_with_new_keys() -> int:
    """Resume the engagements whose refused key was replaced; return how many."""
    stopped = Engagement.objects.filter(
        state=Engagement.State.BLOCKED,
        blocked_key_version__lt=F("version__connection__key_version"),
    )
    return sum(lifecycle.resume(engagement) for engagement in stopped)
