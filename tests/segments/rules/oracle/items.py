"""What people have several of: objects in a list."""

from tests.segments.rules.oracle import KINDS, Kind
from tests.segments.rules.oracle.attributes import value_of
from tests.segments.rules.oracle.comparing import compare


def fits(condition, item, now):
    """Whether an item is all that `where` says."""
    return all(
        compare(item.get(one["property"]), one, now)
        for one in condition.get("where") or ()
    )


def holds(condition, person, now):
    left = value_of(person, condition["attribute"])
    items = left if isinstance(left, list) else []
    items = [one for one in items if isinstance(one, dict)]
    count = sum(fits(condition, one, now) for one in items)
    wanted = condition.get("count")
    return {
        "any": lambda: count > 0,
        "all": lambda: bool(items) and count == len(items),
        "none": lambda: count == 0,
        "exactly": lambda: count == wanted,
        "at_least": lambda: count >= wanted,
        "at_most": lambda: count <= wanted,
    }[condition["items"]]()


KINDS["items"] = Kind(holds=holds)
