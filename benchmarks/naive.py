"""The first thing that works: a Celery task for each person.

`celery -A benchmarks.naive worker`
"""

import json
from typing import Any

import requests
from liquid import Environment

from benchmarks import peers, people
from segments.models import Profile

app = peers.make_app("naive")


@app.task(name="naive.send")
def send(profile_id: int) -> None:
    profile = Profile.objects.get(pk=profile_id)
    template = Environment().from_string(people.LIQUID)
    values: dict[str, Any] = {
        **profile.attributes,
        "external_id": profile.external_id,
        "email": profile.email,
    }
    payload = json.loads(template.render(profile=values))
    answer = requests.post(
        peers.sink_url(),
        json={"attributes": [payload]},
        headers=peers.HEADERS,
        timeout=30,
    )
    answer.raise_for_status()
    peers.Sent.objects.create(profile_id=profile.pk, status=answer.status_code)


def publish(profile_ids: list[int]) -> None:
    for profile_id in profile_ids:
        send.delay(profile_id)
