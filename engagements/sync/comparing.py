"""What is rendered for people, held against what Braze last accepted of them.

What is the same is left out; a value that went away becomes a null, which is Braze's
word for "remove it". What a value is made of `now` or `engagement.delivery_id` is not
compared: it would be different each time, and everybody changed. It goes along where
something else goes.
"""

import re
import struct
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, NamedTuple

import orjson
from xxhash import xxh3_64_digest, xxh3_64_intdigest

from engagements.guards import left_segment
from engagements.models import Engagement, Run
from engagements.outbox.known import Known, Mark
from engagements.personalization.columns import Group
from engagements.personalization.renderer import Recipe, Skip
from engagements.sync import data_points, leaving
from engagements.sync import shape as shapes
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
# Of a hash that is quick, and that nobody has to fear: who made their own values come to
# the same would keep but them from being sent.
_ENTRIES = struct.Struct(f"{shapes.TAG_BYTES}s{DIGEST_BYTES}s")
_TAG = shapes.TAG_BYTES
# A number so long may be the noise of a sum: 0.30000000000000004.
_LONG = re.compile(rb"[\d.]{17}")
_DIGITS = ".15g"
_NUMERALS = b"0123456789"
# What JSON has one spelling for.
_PLAIN = frozenset({str, int, bool, type(None)})


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


class _One(NamedTuple):
    """One person's body, or None where nothing of it goes out."""

    body: JSON
    state: bytes
    points: int
    saved: int


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
        here = [n for n in range(len(group)) if n not in skipped and n not in left]
        stays = group.some(here)
        rendered, own = recipe.render(stays)
        skipped |= {here[n]: why for n, why in own.items()}
        going = [n for n in here if n not in skipped]
        ones = self._compared(recipe, stays, rendered, own, [known[n] for n in going])
        notes = rendered.left_out if rendered else {}
        said = {going[n]: words for n, words in notes.items()}
        ends = {
            n: one for n, one in zip(going, ones, strict=True) if one.body is not None
        }
        skipped |= {n: UNCHANGED for n in going if n not in ends}
        parted = leaving.NOBODY
        if left and self.farewell and self.shape:
            at = sorted(left)
            parted = leaving.render(
                self.farewell, self.shape, group.some(at), known, at
            )
            skipped |= parted.skipped
        bodies = {n: one.body for n, one in ends.items()} | {**parted.bodies}
        marks = {n: Mark(one.state, one.points, one.saved) for n, one in ends.items()}
        where = rendered or parted.rendered
        if where is not None and bodies:
            order = sorted(bodies)
            where = where._replace(
                bodies=[bodies[n] for n in order],
                left_out={at: said[n] for at, n in enumerate(order) if n in said},
            )
        return Compared(
            rendered=where if bodies else None,
            skipped=skipped,
            marks=marks | {**parted.marks},
            saved=sum(one.saved for one in ones if one.body is None),
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
    ) -> list[_One]:
        if rendered is None:
            return []
        plain: Sequence[JSON] = rendered.bodies
        if self.is_volatile:
            there = [n for n in range(len(group)) if n not in skipped]
            plain = _at_some_time(recipe, group.some(there)) or plain
        return [
            self._one(body, same, its)
            for body, same, its in zip(rendered.bodies, plain, known, strict=True)
        ]

    def _one(self, body: JSON, plain: JSON, known: Known | None) -> _One:
        try:
            if self.sends_deltas and self.shape and isinstance(body, dict):
                return self._delta(self.shape, body, plain, known)
            state = _digest(plain)
            if self.shape and isinstance(plain, dict):
                state += _names(self.shape, plain, known)
        except (TypeError, ValueError):
            # What JSON has not is told where the request is made.
            return _One(body, bytes(DIGEST_BYTES), 0, 0)
        points = data_points.of_body(body)
        is_same = _is_known(known, state, self.shape)
        if is_same and self.mode == Engagement.SyncMode.CHANGED:
            return _One(None, b"", 0, points)
        return _One(body, state, points, 0)

    def _delta(
        self, shape: Shape, body: dict[str, JSON], plain: JSON, known: Known | None
    ) -> _One:
        """Only the attributes that are not known to be so, with their identifier."""
        digest = _digest(plain)
        is_same = _is_known(known, digest, shape)
        has_more = len(body) > 1 and any(map(body.get, data_points.OBJECTS))
        if is_same and self.mode == Engagement.SyncMode.CHANGED:
            has_more = False
        whole = data_points.of_body(body)
        own = _object(body)
        if is_same and not (has_more or _has_any_operator(own)):
            return _One(None, b"", 0, whole)
        part, entries = _changed(shape, own, known) if own else ({}, b"")
        if not (part or has_more):
            return _One(None, b"", 0, whole)
        only: list[JSON] = [part]
        sent: dict[str, JSON] = {**body, "attributes": only}
        if not part:
            del sent["attributes"]
        points = whole if len(part) == len(own) else data_points.of_body(sent)
        return _One(sent, digest + entries, points, max(whole - points, 0))


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


def _object(body: Mapping[str, JSON]) -> dict[str, JSON]:
    items = body.get("attributes")
    first = items[0] if isinstance(items, list) and items else None
    return first if isinstance(first, dict) else {}


def _changed(
    shape: Shape, own: dict[str, JSON], known: Known | None
) -> tuple[dict[str, JSON], bytes]:
    """What is to be sent of an object, {} for nothing, and its entries in the state."""
    get, dumps = shape.tags.get, orjson.dumps
    whose = xxh3_64_intdigest(dumps([own.get(name) for name in shape.identifiers]))
    kept: dict[str, bytes] = {}
    always: list[str] = []
    # The one loop over all values of all people: a call less is a tenth of it.
    for name, value in own.items():
        tag = get(name)
        kind = type(value)
        if tag is None or (kind is dict and has_operator(value)):
            always.append(name)
        elif kind in _PLAIN:
            kept[name] = tag + xxh3_64_digest(dumps(value), whose)
        else:
            kept[name] = tag + _hash(value, whose)
    entries = b"".join(kept.values())
    tags = shape.tags
    if always:
        entries += b"".join(tags[name] + CHANGED for name in always if name in tags)
    is_any = any(name in tags or name in shapes.NEVER_NULL for name in always)
    if known and known.is_certain and entries == known.state[DIGEST_BYTES:]:
        return ({name: own[name] for name in always} if is_any else {}), entries
    old = entries_of(known)
    if not old:
        return (own if is_any or kept else {}), entries
    changed = {
        name for name, entry in kept.items() if old.get(entry[:_TAG]) != entry[_TAG:]
    }
    part = {n: v for n, v in own.items() if n in changed or n not in kept}
    gone = {n: tag for n, tag in tags.items() if tag in old and n not in own}
    for name, tag in gone.items():
        if old[tag] == CHANGED:
            entries += tag + CHANGED
            continue
        digest = _hash(None, whose)
        entries += tag + digest
        if old[tag] != digest:
            part[name] = None
            is_any = True
    return (part if is_any or changed else {}), entries


def _names(shape: Shape, body: dict[str, JSON], known: Known | None) -> bytes:
    """Which attributes the other side has then: what it is known to have, and these."""
    own, old = _object(body), entries_of(known)
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


def _has_any_operator(own: dict[str, JSON]) -> bool:
    values = own.values()
    return dict in map(type, values) and any(
        type(value) is dict and has_operator(value) for value in values
    )


def _is_known(known: Known | None, state: bytes, shape: Shape | None) -> bool:
    """Whether all of it was accepted, and the names, too, where they are asked for."""
    if known is None or not known.is_certain:
        return False
    has_names = shape is None or len(known.state) > DIGEST_BYTES
    return has_names and known.state[:DIGEST_BYTES] == state[:DIGEST_BYTES]


def _digest(value: JSON) -> bytes:
    return xxh3_64_digest(_canonical(value))


def _hash(value: JSON, whose: int) -> bytes:
    """Of one attribute; it stands with the tag of its name."""
    return xxh3_64_digest(_canonical(value), whose)


def _canonical(value: JSON) -> bytes:
    """JSON in one spelling: names in order, and no noise in a number."""
    text = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    if b"." in text and _has_fraction(text) and _LONG.search(text):
        text = orjson.dumps(_rounded(value), option=orjson.OPT_SORT_KEYS)
    return text


def _has_fraction(text: bytes) -> bool:
    """Whether a point stands behind a digit: most stand in addresses."""
    at = text.find(b".")
    while at > 0:
        if text[at - 1] in _NUMERALS:
            return True
        at = text.find(b".", at + 1)
    return False


def _rounded(value: JSON) -> JSON:
    if isinstance(value, float):
        return float(format(value, _DIGITS))
    if isinstance(value, dict):
        return {name: _rounded(item) for name, item in value.items()}
    return list(map(_rounded, value)) if isinstance(value, list) else value
