"""Messages through the inbox, and the entries that come of them."""

import pytest

from segments.dictionary import folding
from segments.ingest import inbox
from segments.models import DictionaryEntry
from tests.factories import make_source

TIME = "2026-01-31T12:00:00+00:00"


@pytest.fixture
def source():
    return make_source(name="Website")


@pytest.fixture
def send(source):
    """Send messages of one request: (kind, what is in them); they are applied at once."""
    numbers = iter(range(1_000_000))

    def send(*messages, by=source):
        inbox.append(
            by,
            [
                (
                    f"m{next(numbers)}",
                    kind,
                    {"userId": "u1", "timestamp": TIME, **said},
                )
                for kind, said in messages
            ],
        )
        done = inbox.apply()
        folding.add()
        return done

    return send


@pytest.fixture
def track(send):
    def track(event="Lead", **properties):
        return send(("track", {"event": event, "properties": properties}))

    return track


@pytest.fixture
def identify(send):
    def identify(**traits):
        return send(("identify", {"traits": traits}))

    return identify


def entry(name, kind="attribute", event="") -> DictionaryEntry:
    return DictionaryEntry.objects.get(kind=kind, event=event, name=name)


def types(one: DictionaryEntry) -> dict[str, int]:
    return {type: count for type, count in one.type_counts.items() if count}
