"""The ceiling of the client: ready-made bodies, posted in a loop, nothing else."""

import time

import orjson
import requests

from benchmarks import people
from benchmarks.careful import PEOPLE_A_TASK
from benchmarks.peers import HEADERS, PATH
from benchmarks.sink import SinkClient

REQUESTS = 1_000


def measure(sink: SinkClient) -> tuple[int, float]:
    """Post REQUESTS bodies of 75 people over one Session; (people, seconds)."""
    attributes = [people.expected(number) for number in range(1, PEOPLE_A_TASK + 1)]
    url = sink.url + PATH
    body = orjson.dumps({"attributes": attributes})
    with requests.Session() as session:
        session.headers.update({**HEADERS, "Content-Type": "application/json"})
        started = time.monotonic()
        for _ in range(REQUESTS):
            # By the session alone, a bundle in the environment would count for more.
            answer = session.post(url, data=body, timeout=30, verify=sink.ca_file)
            answer.raise_for_status()
        return REQUESTS * PEOPLE_A_TASK, time.monotonic() - started
