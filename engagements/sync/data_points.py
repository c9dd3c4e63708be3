"""What Braze counts: each attribute that is written, each event and each purchase."""

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
    count = sum(map(of_object, items)) if isinstance(items, list) else 0
    for name in OBJECTS:
        own = body.get(name)
        count += len(own) if isinstance(own, list) else 0
    return count


def of_object(attributes: JSON) -> int:
    if not isinstance(attributes, dict):
        return 0
    if not attributes.keys().isdisjoint(PRIMARY_IDENTIFIERS):
        return len(attributes) - len(FREE.intersection(attributes))
    return len(attributes) - len(FREE_ALONE.intersection(attributes))
