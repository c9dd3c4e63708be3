"""An engagement at work, in this process or in real workers, with short deadlines."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from engagements import lifecycle
from engagements.models import Engagement
from externalapi.models import Connection
from tests import factories


@pytest.fixture
def draft(braze: Connection) -> Callable[..., Engagement]:
    """Make an engagement for people, or a number of them, that nobody resends to."""

    def make(people=75, **fields) -> Engagement:
        fields.setdefault("trigger", Engagement.Trigger.SCHEDULE)
        fields.setdefault("ambiguous_policy", Engagement.AmbiguousPolicy.PARK)
        version = fields.pop("version", None) or factories.make_version(
            connection=braze
        )
        return factories.make_engagement(
            factories.make_segment(people), version, **fields
        )

    return make


@pytest.fixture
def active(draft, settings) -> Callable[..., Engagement]:
    """The same, activated: its first run is due. For drains in this process."""
    settings.HTTP_TOTAL_SECONDS = 2
    settings.DELIVERY_LEASE = timedelta(seconds=3)
    settings.DELIVERY_GRACE = timedelta(seconds=1)

    def make(people=75, **fields) -> Engagement:
        engagement: Engagement = draft(people, **fields)
        lifecycle.activate(engagement)
        return engagement

    return make
