"""Workers, PostgreSQL and the broker die, stand still or fill up at random.

Braze misbehaves at random meanwhile.

`make chaos` does the same with 60,000 people and 60 kills.
"""

import os
import random

import pytest

from tests import factories
from tests.doubles.broker import Broker
from tests.factories import crowd
from tests.faults.chaos import BODY, PEOPLE_IN_A_REQUEST, Chaos

pytestmark = pytest.mark.django_db(transaction=True)

PEOPLE = int(os.environ.get("CHAOS_PEOPLE", "3000"))
KILLS = int(os.environ.get("CHAOS_KILLS", "4"))
RESTARTS = int(os.environ.get("CHAOS_RESTARTS", "1"))
# A random one each time, so that a failure is new; its text says which to set.
SEED = int(os.environ.get("CHAOS_SEED") or random.SystemRandom().randrange(1_000_000))


def test_nobody_is_lost_and_nobody_is_sent_twice(
    postgres, draft, sandbox, braze, tmp_path
):
    version = factories.make_version(body=BODY, connection=braze)
    with Broker(tmp_path) as broker:
        chaos = Chaos(
            engagement=draft(crowd(PEOPLE), version=version),
            sandbox=sandbox,
            postgres=postgres,
            broker=broker,
            seed=SEED,
            kills=KILLS,
            restarts=RESTARTS,
            others=max(KILLS // 10, 1),
            patience=90 + PEOPLE / 100,
        )
        chaos.run(requests=PEOPLE // PEOPLE_IN_A_REQUEST)
    chaos.report()
    chaos.check()
