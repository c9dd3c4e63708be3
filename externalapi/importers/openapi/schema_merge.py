"""Two schemas of one value put together: what satisfies both, as allOf asks."""

from collections.abc import Mapping

from lemnisk_braze.lib.json_types import JSON

# One saying so is enough.
_EITHER = ("readOnly", "writeOnly", "deprecated", "uniqueItems")
_INSIDE = ("items", "additionalProperties", "contains", "propertyNames")


def joined(mine: Mapping[str, JSON], theirs: Mapping[str, JSON]) -> dict[str, JSON]:
    """Return both; where they describe the same part they are an allOf of it.

    Of a text about the value, as a description or an example, mine is taken.
    """
    found = {**theirs, **mine}
    for key in mine.keys() & theirs.keys():
        found[key] = _both(key, mine[key], theirs[key])
    return found


def _both(key: str, mine: JSON, theirs: JSON) -> JSON:
    if key in _EITHER:
        return mine is True or theirs is True
    if key == "type":
        return _type(mine, theirs)
    if key in _INSIDE:
        return _all_of(mine, theirs)
    if isinstance(mine, dict) and isinstance(theirs, dict) and key == "properties":
        shared = mine.keys() & theirs.keys()
        same = {name: _all_of(mine[name], theirs[name]) for name in shared}
        # In the order of the part that is put in: it is the one that is built on.
        return {**theirs, **mine, **same}
    if isinstance(mine, list) and isinstance(theirs, list):
        match key:
            case "required" | "allOf":
                return [*theirs, *(one for one in mine if one not in theirs)]
            case "enum":
                return [one for one in mine if one in theirs] or mine
    return mine


def _all_of(mine: JSON, theirs: JSON) -> JSON:
    if mine == theirs or not isinstance(theirs, dict):
        return mine
    return {"allOf": [mine, theirs]} if isinstance(mine, dict) else theirs


def _type(mine: JSON, theirs: JSON) -> JSON:
    """Return the types that both allow; an integer is a number."""
    ours, other = (one if isinstance(one, list) else [one] for one in (mine, theirs))
    both = [one for one in ours if one in other]
    if not both and {"integer", "number"} <= {*map(str, ours), *map(str, other)}:
        return "integer"
    return mine if not both else both[0] if len(both) == 1 else [*both]
