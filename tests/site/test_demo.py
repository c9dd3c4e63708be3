"""The demo of yesterday: it starts once more, whatever somebody made of it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings as django_settings

from tests import migrated, servers
from tests.doubles.celery_processes import environment_of_processes
from tests.site.empty_site import ROOT, EmptySite
from tests.upgrade import databases

PAUSE = """
from engagements.lifecycle import transitions
from engagements.models import Engagement
assert transitions.pause(Engagement.objects.get())
"""


class Demo(EmptySite):
    """`manage.py demo`, with few people."""

    command = (
        *("demo", "--leads", "3", "--others", "1"),
        *("--port", "8710", "--sandbox-port", "8790"),
    )

    def __init__(self, var: Path, database: dict[str, str]) -> None:
        super().__init__(var)
        self._database = database

    @property
    def environment(self) -> dict[str, str]:
        return super().environment | self._database


@pytest.fixture
def database(django_db_blocker) -> Iterator[dict[str, str]]:
    """A migrated one; from an empty folder on, test_start.py begins."""
    if not servers.IS_OURS:
        yield {}
        return
    name = f"demo_{os.getpid()}"
    with django_db_blocker.unblock(), databases.database(name, migrated.template()):
        with databases.in_use(name):
            url = environment_of_processes()["DATABASE_URL"]
        yield {"DATABASE_URL": url}


@pytest.fixture
def demo(database) -> Iterator[Demo]:
    var = Path(django_settings.VAR_DIR) / "demo"
    shutil.rmtree(var, ignore_errors=True)
    with Demo(var, database) as demo:
        yield demo
    shutil.rmtree(var, ignore_errors=True)


def test_it_starts_again_where_somebody_has_paused_what_it_activated(demo):
    """It waited in vain for one more lead in Braze, and ended."""
    assert "All that should have arrived did" in demo.log.read_text()
    subprocess.run(
        [sys.executable, "manage.py", "shell", "-c", PAUSE],
        cwd=ROOT,
        env=demo.environment,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    demo.end()
    demo.start()
    assert "as you left it" in demo.log.read_text()
