"""Which calls are plain, as far as the calls of a chunk say it. Pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from segments.identity import calls, limits, lists
from segments.identity.calls import CONTACTS, EXTERNAL_ID, Key, Rules
from segments.identity.contact import are_kept
from segments.identity.parts import Message
from segments.identity.values import REST

# Fewer are as soon done one by one.
FEW = 50
_FIELDS = frozenset(("timestamp", "userId", "traits"))


@dataclass(slots=True, kw_only=True, eq=False)
class PlainCall:
    """What is said of an external ID's person; `traits`: as they are kept.

    `raw`: what was typed, by name, where it is kept in another form.
    """

    message: Message
    external_id: str
    traits: Mapping[str, Any]
    raw: dict[str, str] | None = None

    @property
    def keys(self) -> set[Key]:
        said = ((kind, self.traits.get(kind)) for kind in CONTACTS)
        contacts = {(kind, value) for kind, value in said if value}
        return {(EXTERNAL_ID, self.external_id), *contacts}


def choose(
    messages: Sequence[Message], rules: Rules, but: Collection[int] = ()
) -> list[PlainCall]:
    """The plain calls, none of which has to do with another of the chunk.

    `but`: keys of messages that are not. None at all where they are few.
    """
    found: dict[str, Message] = {}
    others: list[Message] = []
    again: set[str] = set()
    for message in messages:
        who = None if but and message.key in but else _who(message, rules)
        if who is None or who in found:
            others.append(message)
            again |= {who} if who else set()
        else:
            found[who] = message
    others += (found.pop(who) for who in again)
    if len(found) < max(FEW, len(others)):
        return []
    chosen = [
        PlainCall(message=message, external_id=who, traits=message.payload["traits"])
        for who, message in found.items()
    ]
    for kind in CONTACTS:
        odd = _keep(kind, chosen)
        if odd:
            others += (call.message for call in odd)
            chosen = [call for call in chosen if call not in odd]
    return _apart(chosen, others, rules) if others else chosen


def _who(message: Message, rules: Rules) -> str | None:
    """Whose plain call it may be."""
    payload = message.payload
    if message.kind != "identify" or payload.keys() != _FIELDS:
        return None
    who, traits = payload["userId"], payload["traits"]
    if not who or who.__class__ is not str or traits.__class__ is not dict:
        return None
    if message.size > limits.MAX_BYTES or len(traits) > limits.MAX_ATTRIBUTES:
        return None
    if not traits or REST in traits or rules.is_placeholder(who):
        return None
    return None if dict in map(type, traits.values()) and _changes(traits) else who


def _changes(traits: Mapping[str, Any]) -> bool:
    return any(type(v) is dict and lists.is_change(v) for v in traits.values())


def _keep(kind: str, chosen: Iterable[PlainCall]) -> set[PlainCall]:
    """Have e-mail or phone as it is kept; return those in whom there is none."""
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


def _apart(
    chosen: list[PlainCall], others: Iterable[Message], rules: Rules
) -> list[PlainCall]:
    """Those who share nothing with the others, nor with those who do."""
    keys: set[Key] = set()
    for message in others:
        try:
            call = calls.read(message.kind, message.payload, rules)
        except ValueError:
            continue
        keys |= {call.subject, *call.others}
    while met := {one for one in chosen if not keys.isdisjoint(one.keys)}:
        keys = set().union(*(one.keys for one in met))
        chosen = [one for one in chosen if one not in met]
    return chosen
