"""A broker that is dead or does not answer costs a log line, never a request."""

import json
import os
import socket
import subprocess
import sys
from contextlib import closing
from urllib.parse import urlsplit, urlunsplit

import pytest
from django.db import connection

from tests.inbox import waiting

pytestmark = pytest.mark.django_db(transaction=True)

# A web process of its own, since Celery's connections belong to the process.
PROCESS = """
import json, sys, time
import django
django.setup()
from django.test import Client
client, answers = Client(SERVER_NAME="localhost"), []
for number in range(3):
    began = time.monotonic()
    response = client.post(
        "/v1/identify",
        {"userId": f"u{number}", "writeKey": sys.argv[1]},
        content_type="application/json",
    )
    answers.append([response.status_code, time.monotonic() - began])
sys.stdout.write(json.dumps(answers))
"""


def answers(broker, write_key):
    url, name = urlsplit(os.environ["DATABASE_URL"]), connection.settings_dict["NAME"]
    done = subprocess.run(
        [sys.executable, "-c", PROCESS, write_key],
        env={
            **os.environ,
            "DATABASE_URL": urlunsplit(url._replace(path=f"/{name}")),
            "REDIS_URL": broker,
            "DJANGO_SETTINGS_MODULE": "lemnisk_braze.settings",
            "REDIS_SOCKET_TIMEOUT": "1",
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "wakeup.failed" in done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("kind", ["refuses", "does not answer"])
def test_requests_are_answered_without_a_broker(write_key, kind):
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port = listener.getsockname()[1]
        if kind == "refuses":
            listener.close()
        found = answers(f"redis://127.0.0.1:{port}/0", write_key)
    assert [status for status, _ in found] == [200, 200, 200]
    assert found[0][1] < 5
    # The others know already that there is nobody to wake.
    assert max(seconds for _, seconds in found[1:]) < 0.5
    assert len(waiting()) == 3
