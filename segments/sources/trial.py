"""A test event: a message like any other, through the inbox, by which one sees it arrive."""

import uuid

from django.db import transaction

from lemnisk_braze.lib import database_clock
from segments import wakeup
from segments.ingest import inbox
from segments.models import Event, Source
from segments.tracking import validation

PERSON = "lemnisk-test"
EVENT = "Test Event"


@transaction.atomic
def send(source: Source) -> str:
    """Put a test event of the source into the inbox; return its message ID."""
    message_id = f"test-{uuid.uuid4()}"
    raw = {
        "messageId": message_id,
        "userId": PERSON,
        "event": EVENT,
        "properties": {"source": source.name},
    }
    message = validation.read(raw, database_clock.now(), "track")
    inbox.append(source, [(message.message_id, message.kind, message.payload)])
    transaction.on_commit(wakeup.apply_inbox)
    return message_id


def find(message_id: str) -> Event | None:
    """The event of a test, once it is applied; its person among what it brings along."""
    of_the_tester = Event.objects.filter(profile__external_id=PERSON, name=EVENT)
    newest = of_the_tester.select_related("profile").order_by("-time")
    return next((e for e in newest[:SHOWN] if e.message_id == message_id), None)


# Who presses the button looks at the newest; events have no index by their message.
SHOWN = 100
