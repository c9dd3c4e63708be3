"""The worker's database connection dies while Braze is answering."""

import threading

import psycopg
import pytest
from django.db import connection

from engagements.delivery import loop
from engagements.lifecycle import transitions
from engagements.models import Attempt, Engagement
from tests import factories
from tests.faults import invariants
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)


def test_an_answer_is_written_down_over_a_new_connection(braze, sandbox):
    engagement = factories.make_engagement(
        factories.make_segment(10),
        factories.make_version(connection=braze),
        trigger=Engagement.Trigger.SCHEDULE,
    )
    transitions.activate(engagement)
    sandbox.faults([{"kind": "delay_after", "seconds": 1}])
    killed = threading.Thread(target=_cut, args=(sandbox, _parameters(), _pid()))
    killed.start()

    loop.work()

    killed.join()
    invariants.check(engagement, sandbox, sandbox.key)
    assert [a.outcome for a in Attempt.objects.all()] == [Attempt.Outcome.SENT]


def _pid():
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return cursor.fetchone()[0]


def _parameters():
    parameters = connection.get_connection_params()
    return {k: parameters[k] for k in ("dbname", "user", "host") if k in parameters}


def _cut(sandbox, parameters, pid):
    """Once Braze has the request, end the worker's session as a restart would."""
    wait_until(lambda: sandbox.traffic()["requests"] == 1, "the request")
    with psycopg.connect(**parameters) as other:
        other.execute("SELECT pg_terminate_backend(%s)", [pid])
