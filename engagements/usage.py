"""What the External API's pages ask about engagements (externalapi.models.usage)."""

from collections.abc import Iterable
from typing import Any

from django.db.models import Q, QuerySet

from engagements.models import Engagement
from engagements.reporting import reports
from externalapi.models.usage import Use


def uses(version_ids: Iterable[int]) -> list[Use]:
    """The engagements of these versions, by name."""
    ids = list(version_ids)
    its = Q(version__in=ids) | Q(version__written_on__in=ids)
    engagements = Engagement.objects.filter(its).select_related("version")
    return [_use(engagement) for engagement in engagements.order_by("name")]


def live_versions() -> QuerySet[Engagement, Any]:
    active = Engagement.objects.filter(state=Engagement.State.ACTIVE)
    return active.order_by().values("version")


def _use(engagement: Engagement) -> Use:
    return Use(
        name=engagement.name,
        url=engagement.get_absolute_url(),
        state=engagement.get_state_display(),
        tone=reports.ENGAGEMENT_TONES[engagement.state],
        version_id=engagement.version.written_on_id or engagement.version_id,
        is_live=engagement.state == Engagement.State.ACTIVE,
        is_at_work=engagement.state not in Engagement.AT_REST,
    )
