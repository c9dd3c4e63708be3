"""The people whom a chunk of messages is about, read once and written once.

`resolve` gives the part whose call a message is, and `learn` tells it; who is one with
whom is worked out when all of the chunk was said (`save`), from what was ever said. So
the order of the messages makes no difference, nor where a chunk ends.

A chunk costs three statements of reading and three of writing. Where somebody is joined
or split off it costs a dozen more, whatever the number of people.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping

from lemnisk_braze.lib.logs import get_logger
from segments.identity import rows, tombstones, whose
from segments.identity.calls import (
    CONTACTS,
    EXTERNAL_ID,
    PLACEHOLDER,
    Call,
    Key,
    Rules,
    microseconds,
    read,
)
from segments.identity.facts import Facts
from segments.identity.limits import TooMuchError
from segments.identity.moves import Move, Moved, move
from segments.identity.parts import Message, Part
from segments.identity.tombstones import Erased, ErasedError

__all__ = ["ErasedError", "Moved", "Part", "People", "TooMuchError"]

logger = get_logger(__name__)


class People:
    """People, found and made, told and joined. Take the inbox's lock before."""

    def __init__(self, messages: Iterable[Message]) -> None:
        self.rules = Rules.from_settings()
        self._calls: dict[int, Call | ValueError] = {}
        for message in messages:
            self._calls[id(message)] = self._read(message)
        self._facts = Facts(self.rules)
        self._parts: dict[int, Part] = {}
        self._by_key: dict[Key, Part] = {}
        self._placeholders = 0
        self._erased: Mapping[Key, Erased] = {}
        self._load()
        # Whose data, events or parts are others than before, once all is saved.
        self.changed_ids: set[int] = set()
        # Of those the ones of whom only attributes are others, and which.
        self.attributes: dict[int, set[str]] = {}
        # Messages, by key, that say of somebody what was not said of them before.
        self.telling: set[int] = set()
        # Whose rows show something now that others showed before.
        self.moved: list[Moved] = []

    def resolve(self, message: Message) -> Part:
        """Find or make the part whose call one of the messages is.

        Raises ValueError where it is about nobody, ErasedError where it is about
        somebody who was erased.
        """
        call = self._calls[id(message)]
        if isinstance(call, ValueError):
            raise call
        if self._erased and tombstones.keeps_out(self._erased, call, message.payload):
            raise ErasedError
        if call.placeholder:
            self._placeholders += 1
        part = self._by_key.get(call.subject)
        if part is None:
            part = self._new(call.subject, message)
        for key in call.others:
            self._say(part, key, message)
        return part

    def reopen(self, part_ids: Collection[int], prefer: int) -> None:
        """Let `save` ask anew who these rows are one with; roots must be among them.

        `prefer`: whose row stands for an anonymous person, where it may.
        """
        self._facts.preferred = prefer
        rows.load(self._parts, (), part_ids)
        for part in self._parts.values():
            self._facts.introduce(part)
        self._facts.reopened |= set(part_ids)

    def meetings(self) -> dict[int, int]:
        """Parts, by number, who may be joined or split by what is new → their group."""
        group_of: dict[int, int] = {}
        members: dict[int, set[int]] = {}
        for key in {key: None for key, _, _ in self._facts.new()}:
            numbers = self._facts.of(key)
            if len(numbers) < 2:
                continue
            together = {*numbers, *(self._facts.roots[number] for number in numbers)}
            for group in {group_of[n] for n in together if n in group_of}:
                together |= members.pop(group)
            name = min(together)
            members[name] = together
            group_of |= dict.fromkeys(together, name)
        if group_of:
            # Whoever is part of one of them goes along.
            for part in self._parts.values():
                if part.root.number in group_of:
                    group_of[part.number] = group_of[part.root.number]
        return group_of

    def save(self) -> None:
        """Join and split, and write everything; then every part knows its person's id."""
        if self._placeholders:
            logger.warning("identity.placeholders", messages=self._placeholders)
        self._spare_who_has_too_many()
        moves = move(self._facts, self._parts, self._find())
        self._tell()
        rows.save(list(self._parts.values()), self._facts, moves)
        changed = [part for part in self._parts.values() if part.is_changed]
        self.changed_ids |= set().union(*map(_people_of, moves))
        # A list of identifiers may have what was said of somebody for the first time.
        self.changed_ids |= {
            self._parts[number].root.id
            for _, number, fact in self._facts.new()
            if fact.is_new and number in self._parts
        }
        self.changed_ids |= {part.id for part in changed if part.number < 0}
        for part in changed:
            if part.id not in self.changed_ids:
                self.attributes[part.id] = part.changed
        self.changed_ids |= self.attributes.keys()
        moved = [one.moved() for one in moves if one.before.number > 0]
        self.moved = [one for one in moved if one.source != one.target]

    def _read(self, message: Message) -> Call | ValueError:
        try:
            return read(message.kind, message.payload, self.rules)
        except ValueError as e:
            return e

    def _load(self) -> None:
        keys: dict[Key, None] = {}
        for call in self._calls.values():
            if isinstance(call, Call):
                keys[call.subject] = None
                for key in call.others:
                    keys[key] = None
        if not keys:
            return
        self._erased = tombstones.find(keys)
        self._facts.load(list(keys))
        own = self._facts.owners(keys)
        wanted = {*own.values(), *map(self._facts.roots.__getitem__, own.values())}
        external_ids = [value for kind, value in keys if kind == EXTERNAL_ID]
        rows.load(self._parts, external_ids, wanted)
        for key, number in own.items():
            self._by_key[key] = self._parts[number]
        self._facts.name(self._parts)
        for part in self._parts.values():
            self._facts.introduce(part)
            if part.external_id is not None:
                self._by_key[EXTERNAL_ID, part.external_id] = part

    def _new(self, key: Key, message: Message) -> Part:
        part = Part(number=-1 - len(self._parts), key=key)
        self._parts[part.number] = self._by_key[key] = part
        part.external_id = key[1] if key[0] == EXTERNAL_ID else None
        self._facts.introduce(part)
        # Of a known person only where an alias spoke of them before they were there.
        if key[0] != EXTERNAL_ID or self._facts.of(key):
            self._facts.own(part, _stamp(message))
            self.telling.add(message.key)
        part.is_changed = True
        return part

    def _say(self, part: Part, key: Key, message: Message) -> None:
        if part.key and part.key[0] == PLACEHOLDER:
            return
        if key[0] == EXTERNAL_ID and (known := self._by_key.get(key)):
            self._facts.own(known)
        fact = self._facts.of(key).get(part.number)
        if fact is None or key[0] == EXTERNAL_ID:
            self._facts.say(part, key, _stamp(message))
            self.telling.add(message.key)

    def _spare_who_has_too_many(self) -> None:
        """Let what was said last join nobody, where a person has too many identifiers.

        (P) This depends on the order in which calls come: without an end to it, one
        person could have everybody's.
        """
        new = [
            (number, fact)
            for key, number, fact in self._facts.new()
            if fact.is_new and not fact.is_own and key[0] not in CONTACTS
        ]
        counts = Counter(rows.count_identifiers({number for number, _ in new}))
        for number, fact in new:
            counts[number] += 1
            if counts[number] > self.rules.most:
                fact.is_void = True
                logger.warning("identity.too_many", profile_id=max(number, 0))

    def _find(self) -> whose.Whose:
        """Ask who is whose; the same end for people whom chains would make too large."""
        while True:
            found = whose.find(self._facts)
            crowded = self._crowded(found)
            new = [
                fact
                for key, number, fact in self._facts.new()
                if number in crowded
                and len(self._facts.of(key)) > 1
                and not (fact.is_own or fact.is_void)
                and fact.is_new
            ]
            if not new:
                return found
            logger.warning(
                "identity.too_many", profile_id=max(found.roots[min(crowded)], 0)
            )
            for fact in new[len(new) // 2 :]:
                fact.is_void = True

    def _crowded(self, found: whose.Whose) -> set[int]:
        """The numbers of those who would be one person of too many parts."""
        if not found.roots:
            return set()
        sizes = Counter(found.roots.values())
        sizes.update(rows.count_parts(sizes, found.roots))
        return {
            n for n, root in found.roots.items() if sizes[root] > self.rules.most + 1
        }

    def _tell(self) -> None:
        """Let roots show what their parts have just said."""
        for part in list(self._parts.values()):
            if not part.has_more_to_say:
                continue
            own = part.own
            part.is_dirty |= own.is_stamped
            if part.root is part:
                part.note(own.changed)
            if part.root is not part or part.whole is not None:
                whole = part.root.take_in(part)
                part.root.is_dirty |= whole.is_stamped
                part.root.note(whole.changed)


def _stamp(message: Message) -> tuple[int, str]:
    return microseconds(message.payload["timestamp"]), message.message_id


def _people_of(one: Move) -> set[int]:
    return {one.part.id, one.before.id, one.after.id}
