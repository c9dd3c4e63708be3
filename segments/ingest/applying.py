"""What a chunk of the inbox's messages does: to people, their events, their segments."""

from collections.abc import Sequence

from segments.identity.resolution import People, Person, TooMuchError
from segments.ingest import events
from segments.ingest.message import Message
from segments.membership import refresh


def apply(messages: Sequence[Message]) -> dict[int, Exception]:
    """Write what the messages say, in a dozen statements; return whom it refused.

    By key of the message; one that is refused has told us no more than who it is about.
    """
    people = People(
        {m.payload["userId"] for m in messages if m.payload.get("userId")},
        {a for m in messages if (a := _anonymous_id(m))},
    )
    refused: dict[int, Exception] = {}
    tracked: list[tuple[Message, Person]] = []
    for message in messages:
        payload = message.payload
        try:
            person = people.resolve(payload.get("userId"), _anonymous_id(message))
            if traits := payload.get("traits"):
                person.learn(traits, message.size)
            if message.kind == "track":
                tracked.append((message, person))
        except TooMuchError as e:
            refused[message.key] = e
    people.save()
    events.write(tracked)
    _evaluate(people, tracked)
    return refused


def _anonymous_id(message: Message) -> str | None:
    """An alias says whose the previous ID is: as if both came in one message."""
    name = "previousId" if message.kind == "alias" else "anonymousId"
    return message.payload.get(name)


def _evaluate(people: People, tracked: Sequence[tuple[Message, Person]]) -> None:
    """People who changed: all segments. Who only did something: those that read it."""
    changed = {p.id for p in people if p.id and p.is_changed}
    changed |= {p.final().id for p in people if p.merged_into}
    refresh.evaluate(sorted(changed))
    active = {p.final().id for _, p in tracked} - changed
    names = {m.payload["event"] for m, p in tracked if p.final().id in active}
    refresh.evaluate(sorted(active), sorted(names))
