"""What each message of a chunk did to its person: what the log of entries is read from.

Kept for those who have several messages in it; how they were known between is kept only
from where it changes.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import connection

from segments.identity.calls import CONTACTS
from segments.identity.people import Part, TooMuchError
from segments.identity.values import is_same
from segments.ingest.message import Message
from segments.membership.turning import Said, Shown, Step
from segments.models import stored


@dataclass(slots=True, kw_only=True)
class _Told:
    """A message; `shown`: what is known of the person since then, None: as before."""

    message: Message
    part: Part
    said: Said
    shown: dict[str, Any] | None = None


@dataclass(slots=True, kw_only=True)
class Story:
    """A chunk's messages and their parts, in order, of one time each.

    `learn` each in this order; ask once people and events are written.
    """

    told: Sequence[tuple[Message, Part]]
    _several: set[int] = field(default_factory=set)
    _refused: set[int] = field(default_factory=set)
    # Of those who have several messages: by the number of their row.
    _of: dict[int, list[_Told]] = field(default_factory=dict)
    # What was known of a person, by the number of their row, before it changed.
    _before: dict[int, dict[str, Any]] = field(default_factory=dict)
    _last_id: int = 0
    _by_id: dict[int, list[_Told]] | None = None
    _event_ids: dict[tuple[int, str], int] | None = None

    def __post_init__(self) -> None:
        counts = Counter([part.root.number for _, part in self.told])
        self._several = {number for number, count in counts.items() if count > 1}

    def learn(self, message: Message, part: Part) -> None:
        """Let the part learn what the message says; raises what that raises."""
        try:
            self._learn(message, part)
        except (TooMuchError, ValueError):
            self._refused.add(message.key)
            raise

    def _learn(self, message: Message, part: Part) -> None:
        if part.root.number not in self._several:
            part.learn(message)
        elif traits := message.payload.get("traits"):
            self._learn_traits(message, part, traits)
        else:
            part.learn(message)
            self._add(message, part)

    def _learn_traits(
        self, message: Message, part: Part, traits: Iterable[str]
    ) -> None:
        root = part.root
        data = root.shown().data
        was = {name: data.get(name) for name in traits}
        part.learn(message)
        if root is not part or root.whole is not None:
            root.take_in(part)
        data = root.shown().data
        # Most say again what is known.
        changed = frozenset(
            name
            for name, before in was.items()
            if (now := data.get(name)) is not before and not is_same(now, before)
        )
        told = self._add(message, part, changed)
        if changed:
            told.shown = dict(data)
            if root.number not in self._before:
                before = {**data, **was}
                self._before[root.number] = {
                    name: value for name, value in before.items() if value is not None
                }

    def _add(
        self, message: Message, part: Part, changed: frozenset[str] = frozenset()
    ) -> _Told:
        number = part.root.number
        of_person = self._of.setdefault(number, [])
        said = Said(
            event=message.payload["event"] if message.kind == "track" else "",
            changed=changed,
            is_new=number < 0 and not of_person,
        )
        told = _Told(message=message, part=part, said=said)
        of_person.append(told)
        return told

    def begin(self) -> None:
        """Call it before the events are written."""
        with connection.cursor() as cursor:
            cursor.execute(LAST_ID)
            (self._last_id,) = cursor.fetchone()

    def people(self, *, alone: bool) -> Iterable[int]:
        """Those, by id, who have several messages; with `alone` all."""
        if alone:
            self._add_the_others()
        return self._people()

    def said(self, person: int) -> Iterable[Said]:
        return [one.said for one in self._people().get(person, ())]

    def steps(self, person: int) -> Sequence[Step]:
        """What became of a person after each of their messages."""
        return list(self._steps(self._people().get(person, ())))

    def _steps(self, told: Iterable[_Told]) -> Iterator[Step]:
        until, shown = self._last_id, None
        for number, one in enumerate(told):
            if number == 0:
                shown = self._before.get(one.part.root.number)
            if one.said.event:
                until = self._ids()[one.message.source_id, one.message.message_id]
            shown = shown if one.shown is None else one.shown
            yield Step(
                said=one.said,
                until=until,
                shown=None if shown is None else _as_row(one.part.root, shown),
            )

    def _people(self) -> dict[int, list[_Told]]:
        if self._by_id is None:
            self._by_id = {}
            for told in self._of.values():
                self._by_id.setdefault(told[0].part.person_id, []).extend(told)
        return self._by_id

    def _add_the_others(self) -> None:
        """Who has one message: all there is to say is as it is now."""
        for message, part in self.told:
            number = part.root.number
            is_there = number in self._several or number in self._of
            if not is_there and message.key not in self._refused:
                self._add(message, part)
                self._by_id = None

    def _ids(self) -> dict[tuple[int, str], int]:
        """The ids of the chunk's events."""
        if self._event_ids is None:
            with connection.cursor() as cursor:
                cursor.execute(IDS, [self._last_id])
                self._event_ids = {
                    (source, message): id for id, source, message in cursor.fetchall()
                }
        return self._event_ids


def _as_row(root: Part, data: dict[str, Any]) -> Shown:
    attributes = {name: v for name, v in data.items() if name not in CONTACTS}
    return (
        root.external_id,
        data.get("email") or "",
        data.get("phone") or "",
        stored.write(attributes),
    )


LAST_ID = "SELECT last_value - (NOT is_called)::int FROM segments_event_id_seq"
IDS = "SELECT id, source_id, message_id FROM segments_event WHERE id > %s"
