"""What a chunk of the inbox's messages does: to people, their events, their segments."""

from collections.abc import Sequence

from segments.identity.people import Part, People, TooMuchError
from segments.ingest import events
from segments.ingest.message import Message
from segments.membership import refresh


def apply(messages: Sequence[Message]) -> dict[int, Exception]:
    """Write what the messages say, in a dozen statements; return whom it refused.

    By key of the message; one that is refused has told us no more than who it is about.
    """
    people = People(messages)
    refused: dict[int, Exception] = {}
    tracked: list[tuple[Message, Part]] = []
    for message in messages:
        try:
            part = people.resolve(message)
            part.learn(message)
            if message.kind == "track":
                tracked.append((message, part))
        except (TooMuchError, ValueError) as e:
            refused[message.key] = e
    people.save()
    events.write(tracked)
    _evaluate(people, tracked)
    return refused


def _evaluate(people: People, tracked: Sequence[tuple[Message, Part]]) -> None:
    """People who changed: all segments. Who only did something: those that read it."""
    changed = people.changed_ids
    refresh.evaluate(sorted(changed))
    did = [(m, part.person_id) for m, part in tracked if part.person_id not in changed]
    names = {m.payload["event"] for m, _ in did}
    refresh.evaluate(sorted({person for _, person in did}), sorted(names))
