"""What Braze counts: each attribute that is written, each event and each purchase."""

from collections.abc import Collection

from engagements.sync.shape import identifiers_of, is_flag
from lemnisk_braze.lib.json_types import JSON

OBJECTS = ("events", "purchases")


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
    names: Collection[str] = identifiers_of(attributes)
    return sum(name not in names and not is_flag(name) for name in attributes)
