"""An engagement at work, in this process or in real workers, with short deadlines."""

import os
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings as django_settings

from engagements.delivery.writing import script
from engagements.lifecycle import transitions
from engagements.models import Engagement
from engagements.personalization import renderer
from engagements.sync import order
from externalapi.models import Connection
from segments.models import Segment
from tests import factories, migrated, servers
from tests.doubles.postgres import Postgres


@pytest.fixture(scope="session")
def postgres_server(django_db_blocker) -> Iterator[Postgres]:
    # Not among pytest's temporary folders, which are closed to PostgreSQL's user.
    data_dir = Path(django_settings.VAR_DIR) / f"postgres-{os.getpid()}"
    with django_db_blocker.unblock():
        tables = migrated.as_sql() if servers.IS_OURS else ""
        server = Postgres(data_dir, tables)
        yield server
        server.delete()


@pytest.fixture
def postgres(transactional_db, postgres_server: Postgres) -> Iterator[Postgres]:
    """A server that may be restarted; everything in this test is in its database.

    Ask for it before whatever makes rows.
    """
    with postgres_server.database():
        _forget_what_never_changes()
        yield postgres_server
    _forget_what_never_changes()


def _forget_what_never_changes() -> None:
    """What is known by the ids of one server means others on another."""
    renderer.people_per_batch.cache_clear()
    order._names_of.cache_clear()
    script._scripts.clear()


@pytest.fixture
def draft(braze: Connection) -> Callable[..., Engagement]:
    """Make an engagement that nobody resends to, for people, so many, or a segment."""

    def make(people=75, **fields) -> Engagement:
        fields.setdefault("trigger", Engagement.Trigger.SCHEDULE)
        fields.setdefault("ambiguous_policy", Engagement.AmbiguousPolicy.PARK)
        version = fields.pop("version", None) or factories.make_version(
            connection=braze
        )
        is_made = isinstance(people, Segment)
        segment = people if is_made else factories.make_segment(people)
        return factories.make_engagement(segment, version, **fields)

    return make


@pytest.fixture
def active(draft, settings) -> Callable[..., Engagement]:
    """The same, activated: its first run is due. For the loop in this process."""
    settings.HTTP_TOTAL_SECONDS = 2
    settings.DELIVERY_LEASE = timedelta(seconds=3)
    settings.DELIVERY_GRACE = timedelta(seconds=1)

    def make(people=75, **fields) -> Engagement:
        engagement: Engagement = draft(people, **fields)
        transitions.activate(engagement)
        return engagement

    return make
