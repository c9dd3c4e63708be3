"""The demo of yesterday: it starts once more, whatever somebody made of it."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings as django_settings

from tests.site.empty_site import ROOT, EmptySite

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


@pytest.fixture
def demo() -> Iterator[Demo]:
    var = Path(django_settings.VAR_DIR) / "demo"
    shutil.rmtree(var, ignore_errors=True)
    with Demo(var) as demo:
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
