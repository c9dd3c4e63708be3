"""What is rendered for people, held against what Braze last accepted of them.

What is the same is left out; a value that went away becomes a null, which is Braze's
word for "remove it". What a value is made of `now` or `engagement.delivery_id` is not
compared: it would be different each time, and everybody changed. It goes along where
something else goes.
"""

import struct
from collections.abc import Collection, Mapping, Sequence, Sized
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import repeat
from typing import Any, NamedTuple, cast

from engagements.guards import left_segment
from engagements.models import Engagement, Run
from engagements.outbox.known import Known, Mark
from engagements.personalization.columns import Group
from engagements.personalization.renderer import Recipe, Skip
from engagements.sync import data_points, hashes, leaving
from engagements.sync import shape as shapes
from engagements.sync.hashes import Names
from engagements.sync.shape import CHANGED, DIGEST_BYTES, NOT_KNOWN, Shape, has_operator
from engagements.variants import plan
from externalapi.definitions.compiled import Rendered
from lemnisk_braze.lib.json_types import JSON

UNCHANGED = Skip(
    code="unchanged", message="Nothing has changed since Braze last accepted it."
)
NOT_NEW = Skip(
    code="not_new",
    message="Braze has accepted this person from this engagement before.",
)
# In the place of what is different each time.
SOME_TIME = datetime(2000, 1, 1, tzinfo=UTC)
_ENTRIES = struct.Struct(f"{shapes.TAG_BYTES}s{DIGEST_BYTES}s")
# What JSON has not is told where the request is made.
_UNTOLD = Mark(bytes(DIGEST_BYTES))


class Compared(NamedTuple):
    """A group's bodies as they go out, who is skipped and why, and who has what then.

    All by position; the bodies are those of the others, in order. `saved`: the data
    points that those have saved who are skipped here.
    """

    rendered: Rendered | None
    skipped: Mapping[int, Skip]
    marks: Mapping[int, Mark]
    saved: int

    def without(self, skipped: Mapping[int, Skip]) -> "Compared":
        """The same without those at these positions, who had a body."""
        if self.rendered is None or not skipped:
            return self
        own = enumerate(sorted(self.marks))
        rest = [at for at, n in own if n not in skipped]
        bodies, said = self.rendered.bodies, self.rendered.left_out
        rendered = self.rendered._replace(
            bodies=[bodies[at] for at in rest],
            left_out={n: said[at] for n, at in enumerate(rest) if at in said},
        )
        return self._replace(
            rendered=rendered if rest else None,
            skipped={**self.skipped, **skipped},
            marks={n: mark for n, mark in self.marks.items() if n not in skipped},
        )


class _Ends(NamedTuple):
    """What goes out of whom, by position, and what is so when it is accepted.

    `saved`: how many data points the others save, of whom nothing goes out.
    """

    at: Sequence[int]
    bodies: Sequence[JSON]
    marks: Sequence[Mark]
    saved: int


_NOTHING = _Ends((), (), (), 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """How an engagement compares, compiled once a run. `shape`: attribute by attribute."""

    mode: str
    sends_deltas: bool
    epoch: int
    shape: Shape | None
    is_volatile: bool
    # Of those who have left; None where nothing is cleared.
    farewell: Recipe | None

    def render(
        self,
        recipe: Recipe,
        group: Group,
        known: Sequence[Known | None],
        left: Collection[int] = (),
    ) -> Compared:
        """Render people whose states are `known`; those at the positions `left` leave."""
        skipped = self._not_new(known, left)
        here: Sequence[int] = range(len(group))
        if skipped or left:
            here = [n for n in here if n not in skipped and n not in left]
        stays = group.some(here)
        rendered, own = recipe.render(stays)
        going = [n for at, n in enumerate(here) if at not in own] if own else here
        skipped |= {here[n]: why for n, why in own.items()}
        # Of everybody what stands there already, which is nearly always.
        those = [known[n] for n in going] if len(going) < len(known) else known
        ends = self._compared(recipe, stays, rendered, own, those)
        is_all = len(ends.at) == len(going)
        at = list(going) if is_all else [going[n] for n in ends.at]
        if len(at) < len(going):
            sent = set(at)
            skipped |= {n: UNCHANGED for n in going if n not in sent}
        bodies = ends.bodies
        marks = dict(zip(at, ends.marks, strict=True))
        where = rendered
        if left and self.farewell and self.shape:
            places = sorted(left)
            parted = leaving.render(
                self.farewell, self.shape, group.some(places), known, places
            )
            skipped |= parted.skipped
            where = rendered or parted.rendered
            each = {**dict(zip(at, bodies, strict=True)), **parted.bodies}
            at = sorted(each)
            bodies = [each[n] for n in at]
            marks |= parted.marks
        if where is not None and bodies:
            notes = rendered.left_out if rendered else {}
            said = {going[n]: words for n, words in notes.items()}
            where = where._replace(
                bodies=bodies,
                left_out={n: said[who] for n, who in enumerate(at) if who in said}
                if said
                else {},
            )
        return Compared(
            rendered=where if bodies else None,
            skipped=skipped,
            marks=marks,
            saved=ends.saved,
        )

    def _not_new(
        self, known: Sequence[Known | None], left: Collection[int]
    ) -> dict[int, Skip]:
        if self.mode != Engagement.SyncMode.NEW:
            return {}
        return {
            n: NOT_NEW
            for n, its in enumerate(known)
            if its and its.is_certain and n not in left
        }

    def _compared(
        self,
        recipe: Recipe,
        group: Group,
        rendered: Rendered | None,
        skipped: Mapping[int, Skip],
        known: Sequence[Known | None],
    ) -> _Ends:
        if rendered is None:
            return _NOTHING
        plain: Sequence[JSON] = rendered.bodies
        if self.is_volatile:
            there = [n for n in range(len(group)) if n not in skipped]
            plain = _at_some_time(recipe, group.some(there)) or plain
        if self.sends_deltas and self.shape:
            return self._deltas(self.shape, rendered.bodies, plain, known)
        return self._whole(rendered.bodies, plain, hashes.of_bodies(plain), known)

    def _whole(
        self,
        bodies: Sequence[JSON],
        plain: Sequence[JSON],
        digests: Sequence[bytes | None],
        known: Sequence[Known | None],
    ) -> _Ends:
        """All of a body, or nothing where all of it is known to be so."""
        same = self._same(digests, known)
        ends: dict[int, tuple[JSON, Mark]] = {}
        saved = 0
        for n, (body, digest) in enumerate(zip(bodies, digests, strict=True)):
            points = data_points.of_body(body)
            if n in same and self.mode == Engagement.SyncMode.CHANGED:
                saved += points
            elif digest is None:
                ends[n] = body, _UNTOLD
            else:
                its = plain[n]
                if self.shape and isinstance(its, dict):
                    digest += _names(self.shape, its, known[n])
                ends[n] = body, Mark(digest, points, 0)
        return _in_order(ends, saved)

    def _deltas(
        self,
        shape: Shape,
        bodies: Sequence[JSON],
        plain: Sequence[JSON],
        known: Sequence[Known | None],
    ) -> _Ends:
        """Only the attributes that are not known to be so, with their identifier."""
        objects = shapes.objects_of(bodies)
        if not any(known) and (new := _all_new(shape, bodies, objects, plain)):
            return new
        digests = hashes.of_bodies(plain)
        same = self._same(digests, known)
        more: set[int] = set()
        if not _are_of_one(bodies):
            more = {n for n, body in enumerate(bodies) if _has_more(body)}
        if self.mode == Engagement.SyncMode.CHANGED:
            more -= same
        alike = same - more
        if alike:
            alike -= shapes.with_operators(objects)
        # There is nothing beside their objects.
        saved = data_points.of_objects([objects[n] for n in alike])
        rest = [n for n in range(len(bodies)) if n not in alike]
        if not rest:
            return _NOTHING._replace(saved=saved)
        ends: dict[int, tuple[JSON, Mark]] = {}
        hashed = hashes.of_objects(shape, [objects[n] for n in rest])
        for n, its in zip(rest, hashed, strict=True):
            body, digest = bodies[n], digests[n]
            if digest is None or its is None or not isinstance(body, dict):
                ends[n] = body, _UNTOLD
                continue
            if known[n] is None and n not in more and len(body) == 1 and its[0].kept:
                ends[n] = body, Mark(digest + its[1], its[0].points, 0)
                continue
            part, entries = _changed(shape, objects[n], its, known[n])
            sent, points, spared = _sent(body, objects[n], part, n in more)
            if sent is None:
                saved += spared
            else:
                ends[n] = sent, Mark(digest + entries, points, spared)
        return _in_order(ends, saved)

    def _same(
        self, digests: Sequence[bytes | None], known: Sequence[Known | None]
    ) -> set[int]:
        """Of whom all was accepted, and the names, too, where they are asked for."""
        least = DIGEST_BYTES if self.shape is None else DIGEST_BYTES + 1
        return {
            n
            for n, its in enumerate(known)
            if its is not None
            and its.is_certain
            and its.state[:DIGEST_BYTES] == digests[n]
            and len(its.state) >= least
        }


def compiled(run: Run) -> Comparison | None:
    """How the run compares; None where it does not. Raises ValueError where it cannot."""
    engagement = run.engagement
    return compile_comparison(engagement, run) if engagement.compares else None


def compile_comparison(engagement: Engagement, run: Any) -> Comparison:
    """The same for anything with `version`, `values`, `variants`; raises ValueError."""
    by_name = engagement.sends_deltas or engagement.clears_who_left
    variants = plan.of(run)
    each = variants.each(run.values)
    return Comparison(
        mode=engagement.sync_mode,
        sends_deltas=engagement.sends_deltas,
        epoch=engagement.sync_epoch,
        shape=shapes.read(run.version, *each) if by_name else None,
        is_volatile=shapes.is_volatile(*each),
        farewell=leaving.recipe(run.version, run.values, variants)
        if engagement.clears_who_left
        else None,
    )


def in_words(engagement: Engagement) -> str:
    """What it sends of whom, as a sentence without a stop."""
    said = [str(engagement.get_sync_mode_display())]
    if engagement.sends_deltas:
        said.append("of attributes what changed")
    if engagement.clears_who_left:
        said.append("who has left is cleared")
    return "; ".join(said)


def who_leaves(
    comparison: Comparison,
    run: Run,
    who: Mapping[int, int],
    kept_back: Mapping[int, Skip],
) -> Collection[int]:
    """Of these people (id → who that is now) those whose attributes are to be cleared.

    They are not in the segment. Who is kept back for another reason is so for this, too.
    """
    if comparison.farewell is None:
        return set()
    members = left_segment.members(run.engagement.segment_id, set(who.values()))
    left = left_segment.LEFT
    return {
        id
        for id, own in who.items()
        if own not in members and kept_back.get(id, left) == left
    }


def _at_some_time(recipe: Recipe, group: Group) -> Sequence[JSON]:
    """The bodies as they would be at one and the same time, in one delivery."""
    shared = {**group.shared, "now": SOME_TIME}
    rendered, skipped = recipe.render(replace(group, shared=shared, engagements=()))
    # What cannot be rendered then is compared as it is.
    return () if skipped or rendered is None else rendered.bodies


def _in_order(ends: Mapping[int, tuple[JSON, Mark]], saved: int) -> _Ends:
    at = sorted(ends)
    return _Ends(at, [ends[n][0] for n in at], [ends[n][1] for n in at], saved)


def _all_new(
    shape: Shape,
    bodies: Sequence[JSON],
    objects: Sequence[dict[str, JSON]],
    plain: Sequence[JSON],
) -> _Ends | None:
    """Everybody as they are: of nobody anything is known; None where one is odd."""
    if not _are_objects_alone(bodies):
        return None
    # Where they are the same they are hashed along with what is in them.
    digests = None if plain is bodies else hashes.of_bodies(plain)
    hashed = hashes.of_new(shape, objects, digests)
    if hashed is None:
        return None
    names, states = hashed
    marks = Mark.each(states, repeat(names.points))
    return _Ends(range(len(bodies)), bodies, marks, 0)


def _are_objects_alone(bodies: Sequence[JSON]) -> bool:
    """Whether each is one object of attributes and nothing else."""
    if not _are_of_one(bodies):
        return False
    rows = cast(Sequence[dict[str, Any]], bodies)
    own: list[Any] = [body.get("attributes") for body in rows]
    return set(map(type, own)) == {list} and set(map(len, own)) == {1}


def _are_of_one(bodies: Sequence[JSON]) -> bool:
    """Whether each is an object with one name."""
    if set(map(type, bodies)) != {dict}:
        return False
    return set(map(len, cast(Sequence[Sized], bodies))) == {1}


def _has_more(body: JSON) -> bool:
    """Whether it has objects beside the one of its attributes."""
    if not isinstance(body, dict) or len(body) < 2:
        return False
    return any(map(body.get, data_points.OBJECTS))


def _sent(
    body: dict[str, JSON],
    own: dict[str, JSON],
    part: dict[str, JSON],
    has_more: bool,
) -> tuple[JSON, int, int]:
    """A body with a part of its attributes, its data points, and those that it saves.

    None where nothing is left of it.
    """
    whole = data_points.of_body(body)
    if not (part or has_more):
        return None, 0, whole
    if part is own and part:
        return body, whole, 0
    only: list[JSON] = [part]
    sent: dict[str, JSON] = {**body, "attributes": only}
    if not part:
        del sent["attributes"]
    points = whole if len(part) == len(own) else data_points.of_body(sent)
    return sent, points, max(whole - points, 0)


def _changed(
    shape: Shape,
    own: dict[str, JSON],
    hashed: tuple[Names, bytes],
    known: Known | None,
) -> tuple[dict[str, JSON], bytes]:
    """What is to be sent of an object, {} for nothing, and its entries in the state."""
    if not own:
        return {}, b""
    (names, always, is_any, _), entries = hashed
    is_certain = known is not None and known.is_certain
    if known and is_certain and entries == known.state[DIGEST_BYTES:]:
        return ({name: own[name] for name in always} if is_any else {}), entries
    old = entries_of(known)
    if not old:
        return (own if is_any or names else {}), entries
    # Behind those of the values stand those of operators.
    each = zip(names, _ENTRIES.iter_unpack(entries), strict=False)
    changed = {name for name, (tag, digest) in each if old.get(tag) != digest}
    part = {n: v for n, v in own.items() if n in changed or n in always}
    gone = {n: tag for n, tag in shape.tags.items() if tag in old and n not in own}
    nothing = hashes.of_value(None, hashes.whose(shape, own)) if gone else b""
    for name, tag in gone.items():
        if old[tag] == CHANGED:
            entries += tag + CHANGED
            continue
        entries += tag + nothing
        if old[tag] != nothing:
            part[name] = None
            is_any = True
    return (part if is_any or changed else {}), entries


def _names(shape: Shape, body: dict[str, JSON], known: Known | None) -> bytes:
    """Which attributes the other side has then: what it is known to have, and these."""
    own, old = shapes.object_of(body), entries_of(known)
    written = {
        tag: has_operator(own[name]) if name in own else old[tag] == CHANGED
        for name, tag in shape.tags.items()
        if name in own or tag in old
    }
    return b"".join(t + (CHANGED if by else NOT_KNOWN) for t, by in written.items())


def entries_of(known: Known | None) -> dict[bytes, bytes]:
    """Tag → digest, or CHANGED; of whom nothing is certain the digests are nobody's."""
    if known is None:
        return {}
    found = dict(_ENTRIES.iter_unpack(known.state[DIGEST_BYTES:]))
    if known.is_certain:
        return found
    return {tag: is_ if is_ == CHANGED else b"" for tag, is_ in found.items()}
