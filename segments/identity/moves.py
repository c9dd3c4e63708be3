"""Parts that become somebody else's, or are split off: in memory, and for the log."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

from segments.identity import rows
from segments.identity.calls import EXTERNAL_ID, Key
from segments.identity.facts import Facts
from segments.identity.parts import Part
from segments.identity.whose import Whose
from segments.models import Identifier
from segments.models.copying import number_array


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """What was shown by the row `source` is shown by the row `target` now.

    `is_whole`: the row itself is part of the other; else something was split off.
    """

    source: int
    target: int
    is_whole: bool


@dataclass(slots=True, kw_only=True)
class Move:
    """A part was shown as `before` and is now as `after`; `because`: what joined them.

    `follows`: it only goes along with another that was shown as the same, whose
    `followers` it is among.
    """

    part: Part
    before: Part
    after: Part
    because: Key | None
    follows: bool = False
    message_id: str = ""
    followers: list["Move"] = field(default_factory=list)

    def log(self) -> Iterator[tuple[str, int, int, str, str, str, str, str]]:
        """Lines of MergeLog; who only follows has none."""
        if self.follows:
            return
        kind, value = self.because or ("", "")
        followers = number_array(one.part.id for one in self.followers)
        told = kind, value, self.message_id, followers
        if self.before is not self.part:
            yield "split", self.before.id, self.part.id, self._why_split(), *told
        if self.after is not self.part:
            yield "merge", self.after.id, self.part.id, self._why_merged(), *told

    def moved(self) -> Moved:
        """The same by rows, once all is saved."""
        source = self.before.number
        return Moved(
            source=source, target=self.after.id, is_whole=self.part.id == source
        )

    def _why_merged(self) -> str:
        kind, value = self.because or ("", "")
        if kind == EXTERNAL_ID:
            return f"An alias says that “{value}” is this person."
        return f"{_label(kind)} “{value}” was said of both."

    def _why_split(self) -> str:
        if self.because is None or self.after is not self.part:
            return "What joined them joins them no longer."
        kind, value = self.because
        return f"{_label(kind)} “{value}” was said of more than one known person."


def move(facts: Facts, parts: dict[int, Part], whose: Whose) -> list[Move]:
    """Let parts be shown as those whom they are part of; whoever is needed is read."""
    roots = {n: root for n, root in whose.roots.items() if facts.roots[n] != root}
    if not roots:
        return []
    left = {facts.roots[number] for number in roots}
    rows.load(parts, (), {*roots, *roots.values(), *left}, all_of=left)
    facts.name(parts)
    moves = []
    for part in list(parts.values()):
        before = part.root
        root = roots.get(part.number)
        if root is None:
            root = roots.get(before.number, before.number)
        if root != before.number:
            moves.append(
                Move(
                    part=part,
                    before=before,
                    after=parts[root],
                    because=whose.because.get(part.number),
                )
            )
    for one in moves:
        _explain(one, facts)
    _follow(moves, facts)
    for one in moves:
        one.part.root = one.after
    _show(moves, parts)
    _keep_rows(moves)
    for one in moves:
        if one.part.is_known and one.part.root is not one.part:
            one.part.own_id = facts.own(one.part).id
    return moves


@lru_cache(maxsize=256)
def _label(kind: str) -> str:
    known = kind in Identifier.Kind.values
    return str(Identifier.Kind(kind).label).capitalize() if known else kind


def _explain(one: Move, facts: Facts) -> None:
    """Find the message that said last what joined the part."""
    if one.because:
        said = facts.of(one.because).values()
        new = [f.stamp for f in said if f.stamp and (f.is_new or f.is_changed)]
        stamps = new or [fact.stamp for fact in said if fact.stamp]
        one.message_id = max(stamps, default=(0, ""))[1]


def _follow(moves: list[Move], facts: Facts) -> None:
    """Tell whom something was just said of from who goes along with them.

    Who was one person, and is one again, was moved by what is new of one of them.
    """
    groups: dict[tuple[int, int], list[Move]] = defaultdict(list)
    for one in moves:
        groups[one.before.number, one.after.number].append(one)
    for together in groups.values():
        together.sort(
            key=lambda one: (one.because not in facts.touched, one.part.number)
        )
        leader = together[0]
        # An anonymous person has one name, which is the leader's from then on.
        root = next((one for one in together if one.part is one.before), leader)
        root.because, root.message_id = leader.because, leader.message_id
        for one in together:
            if one is not root and (
                root.part is root.before or one.because not in facts.touched
            ):
                one.follows = True
                root.followers.append(one)


def _show(moves: list[Move], parts: dict[int, Part]) -> None:
    """Work out what roots show, of whom somebody came or went."""
    lost = {one.before.number for one in moves if one.before is not one.part}
    members = defaultdict(list)
    for part in parts.values():
        if part.root is not part:
            members[part.root.number].append(part)
    for one in moves:
        one.part.reset()
    for number in lost:
        root = parts[number]
        root.reset()
        for part in members[number] if root.root is root else ():
            root.take_in(part)
    for one in moves:
        if one.part is not one.after:
            one.after.take_in(one.part)
            # What it has just said is in that.
            one.part.has_more_to_say = False
        one.after.is_dirty = one.after.is_changed = True


def _keep_rows(moves: list[Move]) -> None:
    """Let a new known person have the row of an anonymous one who turned out to be them.

    They stay where they are, in segments and in what was sent; what they did alone goes
    to a new row.
    """
    taken: set[int] = set()
    for one in sorted(moves, key=lambda one: one.part.number):
        person = one.after
        if (
            person.number < 0
            and person.is_known
            and person.number not in taken
            and one.part.number > 0
            and one.before is one.part
        ):
            taken.add(person.number)
            person.row_of = one.part
            one.part.gives_row_to = person
