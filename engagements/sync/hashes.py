"""Hashes of what is rendered: of a whole body, and of each attribute of its object.

JSON is hashed in one spelling, so that the order of names and the noise of a sum are no
change; by a hash that is quick, and that nobody has to fear: who made their own values
come to the same would keep but them from being sent.

People who have the same attributes are hashed side by side, in loops that are not
Python's, and whoever cannot be, alone; both give the same (a test holds them against each
other).
"""

import re
from array import array
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from itertools import chain, repeat
from operator import itemgetter
from typing import NamedTuple, TypeAlias

import orjson
from xxhash import xxh3_64_digest, xxh3_64_intdigest

from engagements.sync import data_points
from engagements.sync import shape as shapes
from engagements.sync.shape import (
    CHANGED,
    DIGEST_BYTES,
    NOT_KNOWN,
    TAG_BYTES,
    Shape,
    has_operator,
)
from lemnisk_braze.lib.json_types import JSON

ENTRY_BYTES = TAG_BYTES + DIGEST_BYTES
# What orjson, and a value that JSON has not, may raise.
ERRORS = (TypeError, ValueError)
# A number so long may be the noise of a sum, 0.30000000000000004; and 5.0 is 5.
_NOISY = re.compile(rb"[\d.]{17}|\.0(?!\d)")
_DIGITS = ".15g"
# Beyond, a fraction says less than its digits do.
_EXACT = 1 << 53
# A point behind a digit: most stand in addresses.
_FRACTION = re.compile(rb"\.(?<=\d\.)")
# What JSON has one spelling for.
_PLAIN = frozenset({str, int, bool, type(None)})
# What stands between the items of a list that is written in lines; within an item that
# is plain no line ends.
_BETWEEN = b",\n  "
# An entry in words: one of its tag, two of its digest.
_WORDS = 3


class Names(NamedTuple):
    """The attributes of an object by how they are compared, each in the object's order.

    `kept` have a hash in the state, and stand there first; `always` go each time, and
    `has_values` says whether one of these is something that is written. `points` are the
    data points of all.
    """

    kept: tuple[str, ...]
    always: tuple[str, ...]
    has_values: bool
    points: int


# With their entries in the state; None where JSON has not what is in an object.
Hashed: TypeAlias = tuple[Names, bytes] | None


def of_bodies(bodies: Sequence[JSON]) -> list[bytes | None]:
    """The hash of each body; None where JSON has not what is in it."""
    try:
        texts = [orjson.dumps(body, option=orjson.OPT_SORT_KEYS) for body in bodies]
        if _FRACTION.search(b"".join(texts)):
            texts = list(map(_canonical, bodies))
    except ERRORS:
        return [of_bodies([one])[0] for one in bodies] if len(bodies) > 1 else [None]
    return list(map(xxh3_64_digest, texts))


def of_objects(shape: Shape, objects: Sequence[dict[str, JSON]]) -> Sequence[Hashed]:
    """The attributes of each object."""
    each = list(map(tuple, objects))
    if len(set(each)) == 1:
        return _of_the_same(shape, each[0], objects)
    by_names: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for n, own in enumerate(each):
        by_names[own].append(n)
    found: dict[int, Hashed] = {}
    for names, at in by_names.items():
        hashed = _of_the_same(shape, names, [objects[n] for n in at])
        found.update(zip(at, hashed, strict=True))
    return [found[n] for n in range(len(objects))]


def alone(shape: Shape, own: Mapping[str, JSON]) -> Hashed:
    """The attributes of one object, each by itself."""
    kept = [
        name
        for name, value in own.items()
        if name in shape.tags and not (type(value) is dict and has_operator(value))
    ]
    try:
        seed = whose(shape, own)
        entries = [shape.tags[name] + of_value(own[name], seed) for name in kept]
    except ERRORS:
        return None
    which = _names(shape, kept, tuple(own))
    by = [shape.tags[name] + CHANGED for name in which.always if name in shape.tags]
    return which, b"".join(entries + by)


def whose(shape: Shape, own: Mapping[str, JSON]) -> int:
    """What the hashes of this object's values begin with: its identifiers' hash."""
    return xxh3_64_intdigest(orjson.dumps(list(map(own.get, shape.identifiers))))


def of_value(value: JSON, whose: int) -> bytes:
    """Of one attribute; it stands with the tag of its name."""
    return xxh3_64_digest(_canonical(value), whose)


def _of_the_same(
    shape: Shape, names: tuple[str, ...], objects: Sequence[dict[str, JSON]]
) -> Sequence[Hashed]:
    """The same of objects that have these names."""
    kept = [name for name in names if name in shape.tags]
    entries: Sequence[bytes] | None = [b""] * len(objects)
    if kept:
        try:
            entries = _side_by_side(shape, kept, names, objects)
        except ERRORS:
            entries = None
    if entries is None:
        return [alone(shape, own) for own in objects]
    return list(zip(repeat(_names(shape, kept, names)), entries, strict=False))


def _side_by_side(
    shape: Shape,
    kept: Sequence[str],
    names: Collection[str],
    objects: Sequence[dict[str, JSON]],
) -> Sequence[bytes] | None:
    """The entries of each object; None where each has to be alone."""
    ids = shape.identifiers
    if not set(ids) <= set(names):
        return _one_by_one(shape, kept, objects)
    values = list(chain.from_iterable(map(itemgetter(*kept, *ids), objects)))
    if not set(map(type, values)) <= _PLAIN:
        return _one_by_one(shape, kept, objects)
    text = orjson.dumps(values, option=orjson.OPT_INDENT_2)
    texts = text[len(_BETWEEN) : -len("\n]")].split(_BETWEEN)
    width = len(kept) + len(ids)
    own = zip(*(texts[n::width] for n in range(len(kept), width)), strict=True)
    seeds = [xxh3_64_intdigest(b"[%b]" % b",".join(those)) for those in own]
    # Behind each one's values stand the identifiers: their entries are cut off.
    tags = [shape.tags[name] for name in kept] + [NOT_KNOWN[:TAG_BYTES]] * len(ids)
    together = _entries(tags, texts, seeds)
    return _cut(together, ENTRY_BYTES * width, ENTRY_BYTES * len(kept))


def _one_by_one(
    shape: Shape, kept: Sequence[str], objects: Sequence[dict[str, JSON]]
) -> Sequence[bytes] | None:
    """The same where each value is spelled by itself."""
    values = [own[name] for own in objects for name in kept]
    if any(has_operator(v) for v in values if type(v) is dict):
        return None
    texts = [
        orjson.dumps(value) if type(value) in _PLAIN else _canonical(value)
        for value in values
    ]
    tags = [shape.tags[name] for name in kept]
    together = _entries(tags, texts, [whose(shape, own) for own in objects])
    return _cut(together, ENTRY_BYTES * len(kept), ENTRY_BYTES * len(kept))


def _cut(together: bytes, whole: int, kept: int) -> Sequence[bytes]:
    """Of each part of so many bytes the first that are kept."""
    return [together[n : n + kept] for n in range(0, len(together), whole)]


def _entries(
    tags: Sequence[bytes], texts: Sequence[bytes], seeds: Sequence[int]
) -> bytes:
    """The entries of values that stand behind one another, a seed for each object's."""
    each = chain.from_iterable(map(repeat, seeds, repeat(len(tags))))
    return _with_tags(tags, list(map(xxh3_64_digest, texts, each)))


def _with_tags(tags: Sequence[bytes], digests: Sequence[bytes]) -> bytes:
    """These tags again and again, each with the next of the digests behind it."""
    words = array("I", b"".join(digests))
    found = array("I", bytes(ENTRY_BYTES * len(digests)))
    found[0::_WORDS] = array("I", b"".join(tags)) * (len(digests) // len(tags))
    found[1::_WORDS], found[2::_WORDS] = words[0::2], words[1::2]
    return found.tobytes()


def _names(shape: Shape, kept: Sequence[str], names: tuple[str, ...]) -> Names:
    always = tuple(name for name in names if name not in kept)
    has_values = any(n in shape.tags or n in shapes.NEVER_NULL for n in always)
    return Names(tuple(kept), always, has_values, data_points.of_names(names))


def _canonical(value: JSON) -> bytes:
    """JSON in one spelling: names in order, and no noise in a number."""
    text = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    if _FRACTION.search(text) and _NOISY.search(text):
        text = orjson.dumps(_rounded(value), option=orjson.OPT_SORT_KEYS)
    return text


def _rounded(value: JSON) -> JSON:
    if isinstance(value, float):
        near = float(format(value, _DIGITS))
        return int(near) if near.is_integer() and abs(near) < _EXACT else near
    if isinstance(value, dict):
        return {name: _rounded(item) for name, item in value.items()}
    return list(map(_rounded, value)) if isinstance(value, list) else value
