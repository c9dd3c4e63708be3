"""What waits in the inbox, and what became of messages that could not be applied."""

from dataclasses import dataclass
from typing import Any

from segments.models import InboxRequest, RefusedMessage, Source


@dataclass(frozen=True, slots=True)
class Waiting:
    """A message that was accepted."""

    source: Source
    message_id: str
    kind: str
    payload: dict[str, Any]


def waiting() -> list[Waiting]:
    """All messages that wait, in their order."""
    return [
        Waiting(request.source, *message)
        for request in InboxRequest.objects.order_by("pk").select_related("source")
        for message in request.waiting
    ]


def the_only_one() -> Waiting:
    [message] = waiting()
    return message


def refusals() -> dict[str, str]:
    """Of what could not be applied: message ID → why."""
    rows = RefusedMessage.objects.filter(stage=RefusedMessage.Stage.APPLYING)
    return dict(rows.order_by("pk").values_list("message_id", "message"))
