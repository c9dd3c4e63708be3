"""What a careful engineer writes by hand: a Celery task for 75 people.

One query, a template parsed once, one Session with keep-alive, one bulk_create. It
promises less than the engine: no leases, no intent before a send, no rate plan, no
pause, no retries, no reading of what was rejected.

`celery -A benchmarks.careful worker`
"""

import json

import requests
from liquid import Environment

from benchmarks import peers, people
from segments.models import Profile

PEOPLE_A_TASK = 75

app = peers.make_app("careful")
template = Environment().from_string(people.LIQUID)
session = requests.Session()
session.headers.update(peers.HEADERS)


@app.task(name="careful.send")
def send(profile_ids: list[int]) -> None:
    rows = Profile.objects.filter(pk__in=profile_ids).values_list(
        "pk", "external_id", "email", "attributes"
    )
    payloads = []
    for _, external_id, email, attributes in rows:
        values = {**attributes, "external_id": external_id, "email": email}
        payloads.append(json.loads(template.render(profile=values)))
    answer = session.post(peers.sink_url(), json={"attributes": payloads}, timeout=30)
    answer.raise_for_status()
    peers.Sent.objects.bulk_create(
        peers.Sent(profile_id=pk, status=answer.status_code) for pk, *_ in rows
    )


def publish(profile_ids: list[int]) -> None:
    for first in range(0, len(profile_ids), PEOPLE_A_TASK):
        send.delay(profile_ids[first : first + PEOPLE_A_TASK])
