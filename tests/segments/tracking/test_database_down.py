"""A database that is away: the sender is asked to come again, and libraries do."""

import json
import os
import subprocess
import sys

# A web process of its own: this one's database is there.
PROCESS = """
import json, sys
import django
django.setup()
from django.test import Client
client = Client(SERVER_NAME="localhost")
body = {"userId": "u1", "event": "E", "writeKey": "x"}
pair = {"x-api-key": "a", "x-api-passkey": "b"}
answers = [
    client.post("/v1/track", body, content_type="application/json"),
    client.post("/v1/batch", {**body, "batch": [body]}, content_type="application/json"),
    client.post("/v3/data", body, content_type="application/json", headers=pair),
    client.delete("/v3/data", body, content_type="application/json", headers=pair),
]
sys.stdout.write(json.dumps([[a.status_code, a["Retry-After"], a.json()] for a in answers]))
"""
REFUSED = {
    "success": False,
    "code": "unavailable",
    "message": "Send it again in a moment.",
}


def test_each_call_is_answered_with_when_to_come_again():
    """TRAPS 39: 400 only for what never will work, 503 with Retry-After for this."""
    done = subprocess.run(
        [sys.executable, "-c", PROCESS],
        env={
            **os.environ,
            "DATABASE_URL": "postgres://nobody@127.0.0.1:1/none",
            "DJANGO_SETTINGS_MODULE": "lemnisk_braze.settings",
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [[503, "5", REFUSED]] * 4
