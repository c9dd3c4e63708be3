"""A part of a person: what one external ID, or one anonymous identifier, did alone.

Whoever is one with others is shown as one of them, the root: a part knows what it said
by itself (`own`), a root with parts also what all of them said together (`whole`).
"""

from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from typing import Any, Protocol

from lemnisk_braze.lib.logs import get_logger
from segments.identity.calls import (
    CONTACTS,
    EXTERNAL_ID,
    PLACEHOLDER,
    Key,
    contact,
    microseconds,
)
from segments.identity.limits import TooMuchError
from segments.identity.values import Values
from segments.models import stored

logger = get_logger(__name__)


class Message(Protocol):
    """What is asked of a message; `size`: its payload's bytes."""

    @property
    def key(self) -> int: ...
    @property
    def source_id(self) -> int: ...
    @property
    def message_id(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def payload(self) -> Mapping[str, Any]: ...
    @property
    def size(self) -> int: ...


@dataclass(slots=True, kw_only=True, eq=False)
class Part:
    """A row of Profile in memory.

    `number` tells it from others while a chunk is applied: its id, below 0 for a new
    one. `id` is what it is written as, known when all is saved; `own_id` that of its own
    Identifier, 0 where it has none. `row`: e-mail, phone, attributes, their times and
    what it said by itself, as the database has them.
    """

    number: int
    id: int = 0
    key: Key | None = None
    own_id: int = 0
    external_id: str | None = None
    root: "Part" = field(init=False)
    row: tuple[str, str, str, str, str | None] | None = None
    whole: Values | None = None
    has_more_to_say: bool = False
    is_changed: bool = False
    # What it shows under other values than before, where that is all that has changed.
    changed: set[str] = field(default_factory=set)
    is_dirty: bool = False
    # A new known person may go on with the row of an anonymous one.
    row_of: "Part | None" = None
    gives_row_to: "Part | None" = None
    _own: Values | None = None

    def __post_init__(self) -> None:
        self.root = self

    @property
    def person_id(self) -> int:
        """The person's, once all is saved."""
        return self.root.id

    @property
    def via_id(self) -> int | None:
        """By which identifier an event comes; None for a person's own external ID."""
        is_of_root = self.root is self and self.external_id is not None
        return None if is_of_root else self.own_id or None

    @property
    def is_known(self) -> bool:
        return self.external_id is not None

    @property
    def own(self) -> Values:
        """What it said by itself."""
        self.read()
        assert self._own is not None
        return self._own

    def contacts(self) -> set[Key]:
        """E-mail and phone that the row alone says were said of it."""
        if self.row is None or self.row[4] is not None:
            return set()
        return {key for key in zip(CONTACTS, self.row[:2], strict=True) if key[1]}

    def learn(self, message: Message) -> None:
        """Take in a message's traits: null takes one away, an older value does nothing.

        Raises TooMuchError or ValueError, having taken in nothing. Of what nobody's
        calls say nothing is kept: they are many people's.
        """
        traits = message.payload.get("traits")
        if not traits or (self.key and self.key[0] == PLACEHOLDER):
            return
        raw: dict[str, str] = {}
        if "email" in traits or "phone" in traits:
            traits, raw = _kept(traits)
        time = microseconds(message.payload["timestamp"])
        stamp = [time, message.message_id, message.source_id]
        self.own.learn(traits, stamp, message.size, raw)
        self.has_more_to_say = True

    def note(self, changed: Set[str]) -> None:
        """What it shows under these names has changed."""
        if changed:
            self.changed |= changed
            self.is_changed = True

    def reset(self) -> None:
        """Show nothing of anybody else any more: what it is told is worked out anew."""
        self.read()
        self.whole = None
        self.is_dirty = self.is_changed = True

    def take_in(self, part: "Part") -> Values:
        """Let this root also show what the part says; return all that it shows."""
        self.read()
        if self.whole is None:
            self.whole = self.own.copy()
            self.is_dirty = True
        try:
            self.whole.join(part.own)
        except TooMuchError as e:
            logger.warning("person.too_much", profile_id=self.id, because=e)
            # They are one all the same: what one does is worth more than what is left.
            self.whole.join_known(part.own)
        return self.whole

    def shown(self) -> Values:
        """What the row shows: nothing where it is part of another."""
        self.read()
        if self.root is not self:
            return Values()
        return self.own if self.whole is None else self.whole

    def own_text(self) -> str | None:
        """What goes into Profile.own."""
        self.read()
        if self.root is self and self.whole is None:
            return None
        own = self.own
        own.tidy()
        key = [*self.key, self.own_id] if self.key else None
        return stored.write({"key": key, "data": own.data, "times": own.times})

    def read(self) -> None:
        """Read what the row says, before anything is made of it."""
        if self._own is not None:
            return
        if self.row is None:
            self._own = Values()
            return
        email, phone, attributes, times, own = self.row
        shown = Values(
            _with_contacts(stored.read(attributes), email, phone),
            stored.read(times),
            len(attributes.encode()) + len(times),
        )
        if own is None:
            self._own = shown
            return
        said = stored.read(own)
        self._own = Values(said["data"], said["times"], len(own.encode()))
        if self.root is self:
            self.whole = shown


def identity(own: str | None) -> tuple[Key, int] | None:
    """(the identifier that the part is, the id of its row), out of Profile.own."""
    if own is None or (found := stored.read(own)["key"]) is None:
        return None
    kind, value, id_ = found
    return (kind, value), id_


def external_id_of(key: Key | None) -> str | None:
    return key[1] if key and key[0] == EXTERNAL_ID else None


def _with_contacts(data: dict[str, Any], email: str, phone: str) -> dict[str, Any]:
    if email:
        data["email"] = email
    if phone:
        data["phone"] = phone
    return data


def _kept(traits: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """(the traits with e-mail and phone as they are kept, what was typed instead)."""
    kept, raw = dict(traits), {}
    for name in CONTACTS:
        typed = traits.get(name)
        if typed is not None:
            value = contact(name, typed)
            kept[name] = value or None
            if value != typed:
                raw[name] = str(typed)
    return kept, raw
