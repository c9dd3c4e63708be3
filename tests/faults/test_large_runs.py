"""A large run: a worker's memory stays small, and a small run beside it does not wait.

The same with a million people is `make chaos PEOPLE=1000000 KILLS=0`.
"""

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from engagements.lifecycle import transitions
from tests import factories
from tests.doubles.celery_processes import worker
from tests.factories import crowd
from tests.faults import invariants, working
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

PEOPLE = 40_000
MEGABYTE = 1024 * 1024
PAGE = os.sysconf("SC_PAGE_SIZE")


def memory(group: int) -> int:
    """The resident memory of the largest process of a group, in bytes."""
    return max(_resident(path) for path in _processes(group))


def _processes(group: int) -> Iterator[Path]:
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            fields = (path / "stat").read_text().rpartition(")")[2].split()
            if int(fields[2]) == group:
                yield path


def _resident(process: Path) -> int:
    with suppress(OSError):
        return int((process / "statm").read_text().split()[1]) * PAGE
    return 0


def test_a_large_run_and_a_small_one_beside_it(draft, braze, sandbox):
    large = draft(crowd(PEOPLE), version=factories.make_version(connection=braze))
    small = draft(10, version=factories.make_version(connection=braze))
    peaks: list[int] = []
    # So that the large run takes its time on any machine.
    sandbox.faults([{"kind": "delay_after", "seconds": 0.5, "times": None}])

    with worker() as workers:
        transitions.activate(large)
        wait_until(lambda: sandbox.traffic()["requests"] > 20, "the large run's begin")
        transitions.activate(small)
        began = time.monotonic()
        wait_until(lambda: working.is_over(small), "the small run", 30)
        waited = time.monotonic() - began
        assert not working.is_over(large), "it was not beside it"

        def is_over() -> bool:
            peaks.append(memory(workers.pid))
            return working.is_over(large)

        wait_until(is_over, "the large run")

    assert waited < 10
    assert max(peaks) < 300 * MEGABYTE
    assert max(peaks) < 1.3 * peaks[0]
    assert working.states(large) == {"sent": PEOPLE}
    invariants.check(small, sandbox, sandbox.key)
    invariants.check(large, sandbox, sandbox.key)
