"""What Braze counts: each attribute that is written, each event and each purchase."""

from collections.abc import Sequence
from functools import lru_cache

from engagements.sync.shape import FLAGS
from externalapi.vendors.braze.facts.contract import (
    PRIMARY_IDENTIFIERS,
    SECONDARY_IDENTIFIERS,
)
from lemnisk_braze.lib.json_types import JSON

OBJECTS = ("events", "purchases")
# What is no value of the person; beside an id, an email is one.
FREE = frozenset(
    {*PRIMARY_IDENTIFIERS, *FLAGS, "_update_existing_only", "_merge_objects"}
)
FREE_ALONE = FREE.union(SECONDARY_IDENTIFIERS)


def of_body(body: JSON) -> int:
    """The data points of one person's body, as it is sent."""
    if not isinstance(body, dict):
        return 0
    items = body.get("attributes")
    if len(body) == 1 and isinstance(items, list) and len(items) == 1:
        return of_object(items[0])
    count = sum(map(of_object, items)) if isinstance(items, list) else 0
    for name in OBJECTS if len(body) > 1 else ():
        own = body.get(name)
        count += len(own) if isinstance(own, list) else 0
    return count


def of_objects(objects: Sequence[dict[str, JSON]]) -> int:
    """Those of many objects of attributes, of which most have the same names."""
    return sum(map(of_names, map(tuple, objects)))


def of_object(attributes: JSON) -> int:
    return of_names(tuple(attributes)) if isinstance(attributes, dict) else 0


@lru_cache(maxsize=1_000)
def of_names(names: tuple[str, ...]) -> int:
    """Those of one object of attributes that has these names."""
    free = FREE_ALONE if set(PRIMARY_IDENTIFIERS).isdisjoint(names) else FREE
    return len(names) - len(free.intersection(names))
