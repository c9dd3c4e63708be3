"""Packing many people's bodies into one request, and finding them again by index."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from types import MappingProxyType
from typing import Any

import orjson

from externalapi.template.parameters import has_nan
from externalapi.template.placeholders import find_in_tree, whole_name
from lemnisk_braze.lib.json_types import JSON

# Braze takes 4 MB; what is left is for the HTTP headers and for counting in decimals.
MAX_BYTES = 3_800_000
# What limits of one's own may be.
OBJECTS = range(1, 100_001)
BYTES = range(1_000, 50_000_001)


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchPlan:
    """Which arrays of a body may be merged, and how many objects a request takes.

    `each` limits every array by itself, `combined` all of them together.
    """

    arrays: tuple[str, ...] = ()
    each: int | None = None
    combined: int | None = None
    max_bytes: int = MAX_BYTES

    def fields(self) -> dict[str, Any]:
        """Return the plan as the fields of a version that hold it."""
        return {
            "batch_arrays": list(self.arrays),
            "batch_each": self.each,
            "batch_combined": self.combined,
            "batch_bytes": self.max_bytes,
        }

    @property
    def label(self) -> str:
        """The plan in words."""
        if not self.arrays:
            return "One request for each person"
        limits = []
        if self.combined is not None:
            limits.append(f"{self.combined} together")
        if self.each is not None:
            limits.append(f"{self.each} in each array")
        return f"{', '.join(limits)} ({', '.join(self.arrays)})"


_TRACK = ("attributes", "events", "purchases")

# What a form offers to fill a plan's fields with, by code.
PLANS: Mapping[str, BatchPlan] = MappingProxyType(
    {
        "one": BatchPlan(),
        "braze_75_combined": BatchPlan(arrays=_TRACK, combined=75),
        "braze_75_each": BatchPlan(arrays=_TRACK, each=75),
        "braze_50_combined": BatchPlan(arrays=_TRACK, combined=50),
    }
)
PLAN_LABELS: Mapping[str, str] = MappingProxyType(
    {
        "one": "One request for each person",
        "braze_75_combined": "Braze: 75 objects together",
        "braze_75_each": "Braze legacy: 75 objects in each array",
        "braze_50_combined": "Braze older plans: 50 together",
    }
)


def plan_code(plan: BatchPlan) -> str | None:
    """Return the code of the plan among PLANS, None for one that is not there."""
    return next((code for code, one in PLANS.items() if one == plan), None)


def plan_problems(plan: BatchPlan, tree: JSON) -> Iterator[tuple[str, str]]:
    """Yield what limits of one's own cannot do with a body: the field, and why.

    The plans of PLANS name arrays that a body may or may not have.
    """
    if plan_code(plan) is not None:
        return
    if plan.arrays and plan.each is None and plan.combined is None:
        yield "batch_combined", "Say how many objects a request takes."
    if not plan.arrays and (plan.each or plan.combined):
        yield "batch_arrays", "Name the arrays that are counted."
    for name in plan.arrays:
        there = tree.get(name) if isinstance(tree, dict) else None
        if not isinstance(there, list) and whole_name(there) is None:
            yield "batch_arrays", f"“{name[:40]}” is no list in the body."


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """One request's body; `owners` says of each array's items whose they are.

    By the people's positions among the bodies.
    """

    body: bytes
    item_count: int
    owners: Mapping[str, Sequence[int]]

    def owner(self, array: str, index: int) -> int | None:
        """The position of an item's person; None where there is no such item."""
        items = self.owners.get(array, ())
        return items[index] if 0 <= index < len(items) else None


class TooBigError(ValueError):
    """The bodies are too much for one request: send fewer."""


class TooManyObjectsError(TooBigError):
    """Too many objects: of the longest `array` only `room` fit beside the others."""

    def __init__(self, message: str, array: str, room: int) -> None:
        super().__init__(message)
        self.array = array
        self.room = room


class NothingToSendError(ValueError):
    """A body has no object in the lists that it is all about."""


def people_per_request(
    plan: BatchPlan, body: JSON, constant: Collection[str] = ()
) -> int:
    """Return how many people's bodies of this shape fit into one request; at least 1.

    What is outside the arrays is sent once, so it must not differ between people: of
    the parameters only those that are `constant` may stand there.
    """
    if not isinstance(body, dict):
        return 1
    counts = [
        len(items)
        for array in plan.arrays
        if isinstance(items := body.get(array), list) and items
    ]
    once = {key: item for key, item in body.items() if key not in plan.arrays}
    if not counts or not set(find_in_tree(once)) <= set(constant):
        return 1
    limits = []
    if plan.combined is not None:
        limits.append(plan.combined // sum(counts))
    if plan.each is not None:
        limits.append(plan.each // max(counts))
    return max(1, min(limits, default=1))


def pack(
    plan: BatchPlan, bodies: Sequence[JSON], objects: Collection[str] = ()
) -> Packed:
    """Merge the bodies' arrays; other keys are the first body's, empty arrays go.

    What is nothing among the objects goes too, a null or an empty object: in the plan's
    arrays, and in those that `objects` names. Raises TooBigError over the plan's limits and ValueError for what JSON has
    not.
    """
    if len(bodies) != 1 and not plan.arrays:
        raise ValueError("this plan sends one request for each person")
    merged, owners = _merge(plan, bodies, objects)
    _check_counts(plan, merged)
    body = _dump(merged)
    if len(body) > plan.max_bytes:
        raise TooBigError(
            f"{len(body):,} bytes are too many: one request takes {plan.max_bytes:,}"
        )
    item_count = sum(map(len, owners.values())) if plan.arrays else 1
    return Packed(body=body, item_count=item_count, owners=owners)


def _merge(
    plan: BatchPlan, bodies: Sequence[JSON], objects: Collection[str]
) -> tuple[JSON, Mapping[str, Sequence[int]]]:
    first = bodies[0]
    if not isinstance(first, dict):
        return first, {}
    if len(bodies) == 1:
        first = _without_nothing_in(first, objects)
    if not plan.arrays:
        return first, _owned_by_one(first)
    people = [body if isinstance(body, dict) else {} for body in bodies]
    people[0] = first
    found = set().union(*people)
    merged: dict[str, JSON] = {}
    out = {key: item for key, item in first.items() if key not in plan.arrays}
    # What stands outside the arrays is one person's where nobody else is there.
    owners: dict[str, Sequence[int]] = (
        dict(_owned_by_one(out)) if len(people) == 1 else {}
    )
    owners |= dict.fromkeys(plan.arrays, ())
    for array in filter(found.__contains__, plan.arrays):
        lists = [_items(body.get(array)) for body in people]
        items = list(chain.from_iterable(lists))
        if has_nothing(items):
            lists = list(map(without_nothing, lists))
            items = list(chain.from_iterable(lists))
        if items:
            merged[array] = items
            owners[array] = _owners(lists)
    return out | merged, owners


def has_nothing(items: list[JSON]) -> bool:
    """Whether one of these objects is nothing: a null, or one without properties."""
    return None in items or {} in items


def without_nothing(items: list[JSON]) -> list[JSON]:
    return [item for item in items if item is not None and item != {}]


def _without_nothing_in(
    body: dict[str, JSON], arrays: Collection[str]
) -> dict[str, JSON]:
    """The body, with only objects in these arrays that have something."""
    changed: dict[str, JSON] = {}
    for array in arrays:
        items = body.get(array)
        if isinstance(items, list) and has_nothing(items):
            changed[array] = without_nothing(items)
    return {**body, **changed} if changed else body


def _items(value: JSON) -> list[JSON]:
    return value if isinstance(value, list) else []


def _owners(lists: Sequence[list[JSON]]) -> Sequence[int]:
    """Whose each item is, where each list is one person's; a range: one of everybody."""
    if set(map(len, lists)) == {1}:
        return range(len(lists))
    return [position for position, items in enumerate(lists) for _ in items]


def _owned_by_one(body: dict[str, JSON]) -> dict[str, list[int]]:
    """An answer may name objects of a body that is one person's: all are theirs."""
    return {
        array: [0] * len(items)
        for array, items in body.items()
        if isinstance(items, list)
    }


def _check_counts(plan: BatchPlan, merged: JSON) -> None:
    """A list parameter can bring more objects than the template's shape showed."""
    if not isinstance(merged, dict) or not plan.arrays:
        return
    counts = {
        array: len(items)
        for array in plan.arrays
        if isinstance(items := merged.get(array), list)
    }
    total = sum(counts.values())
    if plan.combined is not None and total > plan.combined:
        longest = max(counts, key=lambda array: counts[array])
        raise TooManyObjectsError(
            f"{total:,} objects ({', '.join(counts)}) are too many: one request takes"
            f" {plan.combined:,}",
            longest,
            plan.combined - (total - counts[longest]),
        )
    for array, count in counts.items():
        if plan.each is not None and count > plan.each:
            raise TooManyObjectsError(
                f"{count:,} objects in “{array}” are too many: one request takes"
                f" {plan.each:,}",
                array,
                plan.each,
            )


def _dump(merged: JSON) -> bytes:
    try:
        body = orjson.dumps(merged)
    except TypeError as e:
        raise ValueError(f"this cannot be written as JSON: {e}") from e
    # orjson writes NaN as null, which means "delete" to Braze. Looking through the
    # tree costs more than writing it, so look only where a null came out.
    if b"null" in body and has_nan(merged):
        raise ValueError("NaN and infinity cannot be written as JSON")
    return body
