"""What a chunk of the inbox's messages does: to people, their events, their segments.

Who enters and who leaves is what it would be if each message came alone, wherever a
chunk ends. Messages after which people may become one, or be split, are applied by
themselves; of the others it is told (`story`) what each of them did.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from segments.identity.people import Part, People, TooMuchError
from segments.identity.plain import sets
from segments.ingest import events
from segments.ingest.message import Message
from segments.ingest.story import Story
from segments.membership import evaluation, following

Refused = dict[int, Exception]

# (P) So many pieces a chunk falls into at most: what one person is told beyond that,
# with merges between, counts as told at once.
MOST_PIECES = 50


@dataclass(slots=True, kw_only=True)
class _Resolved:
    """Messages and whose they are: `parts` by key; `told`: those that say more."""

    people: People
    parts: dict[int, Part] = field(default_factory=dict)
    told: list[tuple[Message, Part]] = field(default_factory=list)
    refused: Refused = field(default_factory=dict)


def apply(
    messages: Sequence[Message], wrong: Mapping[int, ValueError] = MappingProxyType({})
) -> Refused:
    """Write what the messages say, in a dozen statements; return whom it refused.

    By key of the message; one that is refused has told us no more than who it is about.
    `wrong`: those that the dictionary refuses, asked behind the people, since nothing is
    kept of a message about who was erased.
    """
    # Each of them is the only one about somebody: there is no more to tell of it.
    new, attributes, messages = sets.take(messages, but=wrong.keys())
    evaluation.evaluate(new, attributes=attributes)
    if not messages:
        return {}
    resolved = _resolve(messages, wrong)
    pieces = _pieces(messages, resolved)
    if len(pieces) == 1:
        return _write(resolved)
    refused: Refused = {}
    for piece in pieces:
        refused |= _write(_resolve(piece, wrong))
    return refused


def _resolve(messages: Sequence[Message], wrong: Mapping[int, ValueError]) -> _Resolved:
    resolved = _Resolved(people=People(messages))
    for message in messages:
        try:
            part = resolved.people.resolve(message)
            resolved.parts[message.key] = part
            if message.key in wrong:
                raise wrong[message.key]
        except ValueError as e:
            resolved.refused[message.key] = e
        else:
            resolved.told.append((message, part))
    return resolved


def _pieces(messages: Sequence[Message], resolved: _Resolved) -> list[list[Message]]:
    """The messages as they are to be applied, one piece after the other.

    In one piece nobody has a message after which they may be joined or split, and also
    another: it stands alone for them.
    """
    groups = resolved.people.meetings()
    if not groups:
        return [list(messages)]
    place: dict[int, int] = {}
    was_alone: dict[int, bool] = {}
    pieces: list[list[Message]] = [[]]
    for message in messages:
        part = resolved.parts.get(message.key)
        group = groups.get(part.number) if part else None
        if group is None:
            pieces[0].append(message)
            continue
        is_alone = message.key in resolved.people.telling
        at = place.get(group, 0)
        if group in place and (is_alone or was_alone[group]):
            at = min(at + 1, MOST_PIECES - 1)
        place[group], was_alone[group] = at, is_alone
        if at == len(pieces):
            pieces.append([])
        pieces[at].append(message)
    return pieces


def _write(resolved: _Resolved) -> Refused:
    people, refused = resolved.people, resolved.refused
    story = Story(told=resolved.told)
    tracked: list[tuple[Message, Part]] = []
    for message, part in resolved.told:
        try:
            story.learn(message, part)
        except (TooMuchError, ValueError) as e:
            refused[message.key] = e
            continue
        if message.kind == "track":
            tracked.append((message, part))
    people.save()
    story.begin()
    events.write(tracked)
    _evaluate(people, tracked, story)
    return refused


def _evaluate(
    people: People, tracked: Sequence[tuple[Message, Part]], story: Story
) -> None:
    """Who is new or became another: all segments. The others: those that read it."""
    attributes = people.attributes
    changed = people.changed_ids - attributes.keys()
    did = [(m, part.person_id) for m, part in tracked if part.person_id not in changed]
    names = {m.payload["event"] for m, _ in did}
    heirs = following.follow(people.moved)
    active = {p for _, p in did}
    evaluation.evaluate(changed, active, sorted(names), story, heirs, attributes)
