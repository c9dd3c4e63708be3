"""Which calls are plain, as far as the calls of a chunk say it. Pure."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from segments.contact import are_kept
from segments.identity import calls, limits, lists
from segments.identity.calls import CONTACTS, EXTERNAL_ID, Key, Rules
from segments.identity.parts import Message
from segments.identity.values import REST

# Fewer are as soon done one by one.
FEW = 50
_KNOWN = frozenset(("timestamp", "userId", "traits"))
_ANONYMOUS = (
    frozenset(("timestamp", "anonymousId", "traits")),
    frozenset(("timestamp", "traits")),
)


@dataclass(slots=True, kw_only=True, eq=False)
class PlainCall:
    """What is said of a person, known by `subject`; `traits`: as they are kept.

    `is_known`: whether it is a known person's, else an anonymous one's. `takes_away`:
    whether one of the traits is null. `raw`: what was typed, by name, where it is kept
    in another form.
    """

    message: Message
    subject: Key
    traits: Mapping[str, Any]
    is_known: bool
    takes_away: bool
    raw: dict[str, str] | None = None

    @property
    def keys(self) -> set[Key]:
        said = ((kind, self.traits.get(kind)) for kind in CONTACTS)
        contacts = {(kind, value) for kind, value in said if value}
        return {self.subject, *contacts}


def choose(
    messages: Sequence[Message], rules: Rules, but: Collection[int] = ()
) -> list[PlainCall]:
    """The plain calls, none of which has to do with another of the chunk.

    `but`: keys of messages that are not. None at all where they are few.
    """
    found: dict[Key, Message] = {}
    others: list[Message] = []
    again: set[Key] = set()
    types = _types(messages)
    has_objects, has_nulls = dict in types, type(None) in types
    for message in messages:
        is_told = but and message.key in but
        who = None if is_told else _who(message, rules, has_objects=has_objects)
        if who is None or who in found:
            others.append(message)
            again |= {who} if who else set()
        else:
            found[who] = message
    others += (found.pop(who) for who in again)
    if len(found) < max(FEW, len(others)):
        return []
    chosen = [
        PlainCall(
            message=message,
            subject=who,
            traits=(traits := message.payload["traits"]),
            is_known=who[0] == EXTERNAL_ID,
            takes_away=has_nulls and None in traits.values(),
        )
        for who, message in found.items()
    ]
    for kind in CONTACTS:
        odd = _keep(kind, chosen)
        if odd:
            others += (call.message for call in odd)
            chosen = [call for call in chosen if call not in odd]
    if met := _met(chosen):
        others += (call.message for call in met)
        chosen = [call for call in chosen if call not in met]
    return _apart(chosen, others, rules) if others else chosen


def _types(messages: Iterable[Message]) -> set[type]:
    """Of which classes the traits of all are; asked together it takes half as long."""
    traits = [message.payload.get("traits") for message in messages]
    said = [one for one in traits if one.__class__ is dict]
    return set(map(type, chain.from_iterable(map(dict.values, said))))


def _who(message: Message, rules: Rules, *, has_objects: bool) -> Key | None:
    """Whose plain call it may be; `has_objects`: whether a trait of any is an object."""
    payload = message.payload
    if message.kind != "identify" or not _is_about_traits(message, has_objects):
        return None
    if payload.keys() != _KNOWN:
        return _anonymous(message, rules)
    who = payload["userId"]
    if not who or who.__class__ is not str or rules.is_placeholder(who):
        return None
    return EXTERNAL_ID, who


def _is_about_traits(message: Message, has_objects: bool) -> bool:
    """Whether it has some, and nothing of them is more than a value."""
    traits = message.payload.get("traits")
    if not traits or traits.__class__ is not dict or REST in traits:
        return False
    if message.size > limits.MAX_BYTES or len(traits) > limits.MAX_ATTRIBUTES:
        return False
    return not (has_objects and _changes(traits))


def _anonymous(message: Message, rules: Rules) -> Key | None:
    if message.payload.keys() not in _ANONYMOUS:
        return None
    try:
        call = calls.read(message.kind, message.payload, rules)
    except ValueError:
        return None
    return None if call.placeholder else call.subject


def _changes(traits: Mapping[str, Any]) -> bool:
    return any(type(v) is dict and lists.is_change(v) for v in traits.values())


def _keep(kind: str, chosen: Sequence[PlainCall]) -> set[PlainCall]:
    """Have e-mail or phone as it is kept; return those in whom there is none."""
    texts: list[Any] = [call.traits.get(kind) for call in chosen]
    if set(map(type, texts)) == {str} and are_kept(kind, texts):
        return set()
    saying = [call for call in chosen if call.traits.get(kind) is not None]
    texts = [call.traits[kind] for call in saying]
    odd = {c for c, t in zip(saying, texts, strict=True) if t.__class__ is not str}
    if odd or (texts and not are_kept(kind, texts)):
        for call in saying:
            if call in odd:
                continue
            typed = call.traits[kind]
            kept = calls.contact(kind, typed)
            if not kept:
                odd.add(call)
            elif kept != typed:
                call.traits = {**call.traits, kind: kept}
                call.raw = {**(call.raw or {}), kind: typed}
    return odd


def _met(chosen: Sequence[PlainCall]) -> set[PlainCall]:
    """The anonymous people of whom something was also said of somebody else."""
    if all(call.is_known for call in chosen):
        return set()
    said = Counter(key for call in chosen for key in call.keys)
    return {
        call
        for call in chosen
        if not call.is_known and any(said[key] > 1 for key in call.keys)
    }


def _apart(
    chosen: list[PlainCall], others: Iterable[Message], rules: Rules
) -> list[PlainCall]:
    """Those who share nothing with the others, nor with those who do."""
    keys: set[Key] = set().union(*(keys_of(message, rules) for message in others))
    while met := {one for one in chosen if not keys.isdisjoint(one.keys)}:
        keys = set().union(*(one.keys for one in met))
        chosen = [one for one in chosen if one not in met]
    return chosen


def keys_of(message: Message, rules: Rules) -> set[Key]:
    """What a message says of whom it is about; nothing where that is nobody."""
    try:
        call = calls.read(message.kind, message.payload, rules)
    except ValueError:
        return set()
    return {call.subject, *call.others}
