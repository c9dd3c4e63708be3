"""Hashes of what is rendered: of a whole body, and of each attribute of its object.

JSON is hashed in one spelling, so that the order of names and the noise of a sum are no
change; by a hash that is quick, and that nobody has to fear: who made their own values
come to the same would keep but them from being sent.

People who have the same attributes are hashed side by side, in loops that are not
Python's, and whoever cannot be, alone; both give the same (a test holds them against each
other).
"""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import chain, repeat
from operator import itemgetter
from typing import Any, NamedTuple, TypeAlias

import orjson
from xxhash import xxh3_64_digest, xxh3_64_intdigest

from engagements.sync import data_points
from engagements.sync import shape as shapes
from engagements.sync.shape import (
    CHANGED,
    Shape,
    has_operator,
)
from lemnisk_braze.lib.json_types import JSON

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


def of_new(
    shape: Shape,
    objects: Sequence[dict[str, JSON]],
    digests: Sequence[bytes | None] | None = None,
) -> tuple[Names, Sequence[bytes]] | None:
    """The attributes of objects that all have the same, and their whole states.

    `digests`: those of the bodies; None where each body is its object in `attributes`
    and nothing else. Returns None where the objects have to be looked at one by one.
    """
    names = tuple(objects[0])
    kept = [name for name in names if name in shape.tags]
    if not kept or set(map(tuple, objects)) != {names}:
        return None
    columns = dict(
        zip(names, zip(*map(dict.values, objects), strict=True), strict=True)
    )
    try:
        cells = _spelled(columns)
        if cells is None:
            return None
        before = digests or _of_bodies_around(cells)
        states = _behind(before, shape, kept, cells, _seeds(shape, columns, cells))
    except ERRORS:
        return None
    return _names(shape, kept, names), states


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
    asked = [*kept, *(name for name in shape.identifiers if name in names)]
    columns = {name: list(map(itemgetter(name), objects)) for name in asked}
    cells = _spelled(columns)
    if cells is None:
        return None
    return _behind(None, shape, kept, cells, _seeds(shape, columns, cells))


def _spelled(
    columns: Mapping[str, Sequence[JSON]],
) -> Mapping[str, Sequence[bytes]] | None:
    """By name, the value of each object as JSON in its one spelling.

    None where there are operators.
    """
    plain = {name: own for name, own in columns.items() if _is_plain(own)}
    together = list(chain.from_iterable(plain.values()))
    text = orjson.dumps(together, option=orjson.OPT_INDENT_2)
    texts = text[len(_BETWEEN) : -len("\n]")].split(_BETWEEN)
    count = len(texts) // max(len(plain), 1)
    cells = {name: texts[n * count : n * count + count] for n, name in enumerate(plain)}
    for name, own in columns.items():
        if name not in plain:
            if any(has_operator(value) for value in own if type(value) is dict):
                return None
            cells[name] = list(map(_canonical, own))
    return cells


def _is_plain(values: Sequence[JSON]) -> bool:
    try:
        # Nearly all are texts, and this is the quickest way to know.
        "".join(values)  # type: ignore[arg-type]
    except TypeError:
        return set(map(type, values)) <= _PLAIN
    return True


def _seeds(
    shape: Shape,
    columns: Mapping[str, Sequence[JSON]],
    cells: Mapping[str, Sequence[bytes]],
) -> Sequence[int]:
    """What the hashes of each object's values begin with (`whose`)."""
    ids = shape.identifiers
    if all(name in columns and _is_plain(columns[name]) for name in ids):
        each = zip(*(cells[name] for name in ids), strict=True)
        return [xxh3_64_intdigest(b"[%b]" % b",".join(own)) for own in each]
    rows = zip(*columns.values(), strict=True)
    return [whose(shape, dict(zip(columns, own, strict=True))) for own in rows]


def _of_bodies_around(cells: Mapping[str, Sequence[bytes]]) -> Sequence[bytes]:
    """The hashes of bodies that have nothing but the object of these cells."""
    parts: list[Iterable[bytes]] = []
    between = b'{"attributes":[{'
    for name in sorted(cells):
        parts += repeat(between + orjson.dumps(name) + b":"), cells[name]
        between = b","
    texts = map(b"".join, zip(*parts, repeat(b"}]}"), strict=False))
    return list(map(xxh3_64_digest, texts))


def _behind(
    before: Iterable[bytes | None] | None,
    shape: Shape,
    kept: Sequence[str],
    cells: Mapping[str, Sequence[bytes]],
    seeds: Sequence[int],
) -> Sequence[bytes]:
    """The entries of each object behind one another, and those behind what is `before`."""
    parts: list[Iterable[Any]] = [] if before is None else [before]
    for name in kept:
        parts += repeat(shape.tags[name]), map(xxh3_64_digest, cells[name], seeds)
    return list(map(b"".join, zip(*parts, strict=False)))


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
