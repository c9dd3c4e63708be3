"""A broker that is dead or silent: the admin's pages and buttons work on."""

import json
import os
import socket
import subprocess
import sys
from contextlib import closing

import pytest

from engagements.models import Engagement
from tests import factories
from tests.doubles.celery_processes import beat, environment_of_processes, worker
from tests.faults import invariants, working
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

# A web process of its own, since Celery's connections belong to the process.
PROCESS = """
import json, sys, time
import django
django.setup()
from django.contrib.auth.models import User
from django.test import Client
client = Client(SERVER_NAME="localhost")
client.force_login(User.objects.get(username="olga"))
page, found = sys.argv[1], []
act = page.removesuffix("change/")
steps = [("get", page), ("post", f"{act}activate/"), ("get", page),
         ("post", f"{act}pause/"), ("post", f"{act}resume/"), ("get", "/admin/")]
for method, path in steps:
    began = time.monotonic()
    response = getattr(client, method)(path)
    found.append([path, response.status_code, time.monotonic() - began])
sys.stdout.write(json.dumps(found))
"""


def browse(engagement: Engagement, broker: str) -> list[tuple[str, int, float]]:
    page = engagement.get_absolute_url()
    done = subprocess.run(
        [sys.executable, "-c", PROCESS, page],
        env={
            **os.environ,
            **environment_of_processes(),
            "REDIS_URL": broker,
            "DJANGO_SETTINGS_MODULE": "lemnisk_braze.settings",
            "REDIS_SOCKET_TIMEOUT": "2",
        },
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: list[tuple[str, int, float]] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize(("kind", "seconds"), [("refuses", 1.0), ("is silent", 4.0)])
def test_pages_answer_and_what_was_pressed_happens(draft, sandbox, kind, seconds):
    engagement = draft(20, repeat=Engagement.Repeat.DAILY)
    factories.make_admin(username="olga")
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port = listener.getsockname()[1]
        if kind == "refuses":
            listener.close()
        found = browse(engagement, f"redis://127.0.0.1:{port}/0")

    assert [status for _, status, _ in found] == [200, 302, 200, 302, 302, 200]
    # The first page also warms the process up; a silent broker is waited for once.
    slow = [step for step in found[1:] if step[2] > 1.0]
    assert max(step[2] for step in found[1:]) < seconds, found
    assert len(slow) <= (kind == "is silent"), found
    engagement.refresh_from_db()
    assert engagement.state == Engagement.State.ACTIVE

    with worker(), beat():
        wait_until(lambda: working.is_over(engagement), "the end of the run")
    invariants.check(engagement, sandbox, sandbox.key)
