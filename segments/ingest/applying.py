"""What a chunk of the inbox's messages does: to people, their events, their segments."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from segments.identity.people import Part, People, TooMuchError
from segments.ingest import events
from segments.ingest.message import Message
from segments.membership import refresh


def apply(
    messages: Sequence[Message], wrong: Mapping[int, ValueError] = MappingProxyType({})
) -> dict[int, Exception]:
    """Write what the messages say, in a dozen statements; return whom it refused.

    By key of the message; one that is refused has told us no more than who it is about.
    `wrong`: those that the dictionary refuses, asked behind the people, since nothing is
    kept of a message about who was erased.
    """
    people = People(messages)
    refused: dict[int, Exception] = {}
    tracked: list[tuple[Message, Part]] = []
    for message in messages:
        try:
            part = people.resolve(message)
            if message.key in wrong:
                raise wrong[message.key]
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
