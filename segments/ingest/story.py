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
from segments.identity.people import Part
from segments.ingest.message import Message
from segments.membership.steps import Said, Shown, Step
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
    _all: list[_Told] = field(default_factory=list)
    _new: set[int] = field(default_factory=set)
    # What was known of a person, by the number of their row, before it changed.
    _before: dict[int, dict[str, Any]] = field(default_factory=dict)
    _last_id: int = 0
    _of: dict[int, list[_Told]] | None = None
    _event_ids: dict[tuple[int, str], int] | None = None

    def __post_init__(self) -> None:
        counts = Counter(part.root.number for _, part in self.told)
        self._several = {number for number, count in counts.items() if count > 1}

    def learn(self, message: Message, part: Part) -> None:
        """Let the part learn what the message says; raises what that raises."""
        root = part.root
        if root.number not in self._several or not message.payload.get("traits"):
            part.learn(message)
            self._add(message, part)
            return
        before = dict(root.shown().data)
        part.learn(message)
        if root is not part or root.whole is not None:
            root.take_in(part)
        now = root.shown().data
        changed = frozenset(
            name
            for name in {*before, *now}
            if name not in before or name not in now or before[name] is not now[name]
        )
        told = self._add(message, part, changed)
        if changed:
            self._before.setdefault(root.number, before)
            told.shown = dict(now)

    def _add(
        self, message: Message, part: Part, changed: frozenset[str] = frozenset()
    ) -> _Told:
        number = part.root.number
        said = Said(
            event=message.payload["event"] if message.kind == "track" else "",
            changed=changed,
            is_new=number < 0 and number not in self._new,
        )
        if said.is_new:
            self._new.add(number)
        told = _Told(message=message, part=part, said=said)
        self._all.append(told)
        return told

    def begin(self) -> None:
        """Call it before the events are written."""
        with connection.cursor() as cursor:
            cursor.execute(LAST_ID)
            (self._last_id,) = cursor.fetchone()

    def people(self, *, alone: bool) -> Iterable[int]:
        """Those, by id, who have several messages; with `alone` all."""
        found = self._by_person()
        return [id for id, told in found.items() if alone or len(told) > 1]

    def said(self, person: int) -> Iterable[Said]:
        return [one.said for one in self._by_person().get(person, ())]

    def steps(self, person: int) -> Sequence[Step]:
        """What became of a person after each of their messages."""
        return list(self._steps(self._by_person().get(person, ())))

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

    def _by_person(self) -> dict[int, list[_Told]]:
        if self._of is None:
            self._of = {}
            for one in self._all:
                self._of.setdefault(one.part.person_id, []).append(one)
        return self._of

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
