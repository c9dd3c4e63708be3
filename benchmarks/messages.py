"""What websites send in: 80 % track, 20 % identify, about people who are known."""

import base64
from collections.abc import Iterator, Sequence
from typing import Any

import orjson
from django.db import transaction
from django.test import Client
from django.utils import timezone

from benchmarks import people
from benchmarks.rules import BOUGHT, OPENED, VIEWED
from lemnisk_braze.local.processes import LocalError
from segments.ingest import inbox
from segments.models import Event, Profile, Source

A_BATCH = 500
NAMES = (OPENED, VIEWED, OPENED, BOUGHT)
Messages = Sequence[dict[str, Any]]


def make(label: str, count: int, size: int) -> Messages:
    """So many messages about the people 1 to `size`; `label` makes them new ones."""
    return [_message(label, n, 1 + n * 7_919 % size) for n in range(count)]


def _message(label: str, n: int, person: int) -> dict[str, Any]:
    common = {"userId": f"person-{person}", "messageId": f"{label}-{n}"}
    if n % 5 == 0:
        traits = {"plan": people.PLANS[n // 5 % 3], "score": n * 31 % 1_000}
        return {**common, "type": "identify", "traits": traits}
    properties = {"form": ("shoes", "bags")[n % 2], "amount": n % 90}
    event = NAMES[n % len(NAMES)]
    return {**common, "type": "track", "event": event, "properties": properties}


def batches(messages: Messages) -> Iterator[bytes]:
    """The bodies of the requests that bring them."""
    for first in range(0, len(messages), A_BATCH):
        yield orjson.dumps({"batch": messages[first : first + A_BATCH]})


def send_in(write_key: str, messages: Messages) -> None:
    """Through the tracking API's own URL and the inbox, until all are applied.

    Raises LocalError where one is refused.
    """
    send(write_key, messages)
    apply()


def send(write_key: str, messages: Messages) -> None:
    """Through the tracking API's own URL alone, into the inbox."""
    signed = base64.b64encode(f"{write_key}:".encode()).decode()
    client = Client(
        headers={"Authorization": f"Basic {signed}", "Host": "localhost"},
    )
    for body in batches(messages):
        answer = client.post("/v1/batch", body, content_type="application/json")
        if answer.json() != {"success": True}:
            raise LocalError(f"The tracking API said: {answer.content[:500]!r}")


def apply() -> None:
    """Apply what waits in the inbox."""
    while inbox.has_work():
        if inbox.apply().errors:
            raise LocalError("The inbox refused a message.")


def by_the_orm(source: Source, messages: Messages) -> None:
    """The same by hand: a query and a write with Django's ORM for each message."""
    for body in batches(messages):
        for message in orjson.loads(body)["batch"]:
            with transaction.atomic():
                _save(source, message)


def _save(source: Source, message: dict[str, Any]) -> None:
    profile, _ = Profile.objects.get_or_create(external_id=message["userId"])
    if message["type"] == "identify":
        profile.attributes.update(message["traits"])
        profile.save()
        return
    Event.objects.get_or_create(
        source=source,
        message_id=message["messageId"],
        defaults={
            "profile": profile,
            "name": message["event"],
            "time": timezone.now(),
            "properties": message["properties"],
        },
    )
