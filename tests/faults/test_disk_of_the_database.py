"""The database is set not to wait for its disk, and goes down."""

from collections import Counter
from contextlib import contextmanager

import pytest
from django.db import connection

from engagements.audience import expansion
from engagements.delivery import attempts, claims, outcomes, transport, writing
from engagements.models import Attempt, Engagement
from lemnisk_braze.lib import database_retry
from tests.doubles.celery_processes import beat, worker
from tests.faults import invariants, working
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def careless(postgres):
    """A server that says of everything that it is done before it is on its disk."""
    with connection.cursor() as cursor:
        name = connection.ops.quote_name(connection.settings_dict["NAME"])
        cursor.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
    connection.close()
    with postgres.late_on_disk():
        yield postgres


def test_what_is_on_the_wire_is_known_all_the_same(careless, active, sandbox):
    """Else it would be sent again, and nothing would tell."""
    engagement = active(75, ambiguous_policy=Engagement.AmbiguousPolicy.RESEND)
    expansion.expand(expansion.expandable_runs())
    (prepared,) = attempts.intend(list(writing.write(claims.claim(32))))
    transport.send(prepared)

    careless.restart()

    assert [a.outcome for a in Attempt.objects.all()] == [Attempt.Outcome.UNFINISHED]
    with worker(), beat():
        wait_until(lambda: working.is_over(engagement), "the end of the run")
    invariants.check(engagement, sandbox, sandbox.key)
    assert Counter(invariants.received(sandbox).values()) == {2: 75}


def test_what_was_flushed_is_there(careless, active, sandbox):
    active(75)
    expansion.expand(expansion.expandable_runs())
    (prepared,) = attempts.intend(list(writing.write(claims.claim(32))))
    outcomes.record([transport.send(prepared)])
    database_retry.flush()

    careless.restart()

    assert [a.outcome for a in Attempt.objects.all()] == [Attempt.Outcome.SENT]


@contextmanager
def set_to(level):
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('synchronous_commit', %s, false)", [level])
        try:
            yield cursor
        finally:
            cursor.execute("RESET synchronous_commit")


@pytest.mark.parametrize("level", ["on", "local", "remote_write", "remote_apply"])
def test_who_waits_for_more_goes_on_doing_so(level):
    with set_to(level) as cursor:
        cursor.execute(
            f"SELECT {database_retry.NOW_ON_DISK}, current_setting('synchronous_commit')"
        )
        assert cursor.fetchone() == (True, level)
