"""What filters do with lists and objects. An item may be null: it is nothing."""

from collections.abc import Callable, Sequence
from typing import Any

import orjson

from engagements.personalization.filters.budget import check_length
from engagements.personalization.filters.errors import FilterError

Items = Sequence[Any]


def property_of(item: object, name: str) -> Any:
    """What an item has under the name; None where it has nothing."""
    if not isinstance(item, dict):
        raise FilterError("an item of the list is not an object")
    return item.get(name)


def join(items: Items, glue: str = " ", *, text: Callable[[object], str]) -> str:
    texts = ["" if item is None else text(item) for item in items]
    check_length(sum(map(len, texts)) + len(glue) * max(len(texts) - 1, 0))
    return glue.join(texts)


def first(items: Items) -> Any:
    return items[0] if items else None


def last(items: Items) -> Any:
    return items[-1] if items else None


def concat(items: Items, more: Items) -> list[Any]:
    return [*items, *more]


def map_(items: Items, name: str) -> list[Any]:
    return [property_of(item, name) for item in items]


def reverse(items: Items) -> list[Any]:
    return list(reversed(items))


def compact(items: Items, name: str | None = None) -> list[Any]:
    if name is None:
        return [item for item in items if item is not None]
    return [item for item in items if property_of(item, name) is not None]


def uniq(items: Items, name: str | None = None) -> list[Any]:
    """The first of each; 1 and 1.0 are two."""
    found: dict[bytes, Any] = {}
    for item in items:
        found.setdefault(
            _written(item if name is None else property_of(item, name)), item
        )
    return list(found.values())


def sort(items: Items, name: str | None = None) -> list[Any]:
    return _sorted(items, name, str)


def sort_natural(items: Items, name: str | None = None) -> list[Any]:
    return _sorted(items, name, str.lower)


def where(items: Items, name: str, value: object = None) -> list[Any]:
    return [item for item in items if _fits(item, name, value)]


def reject(items: Items, name: str, value: object = None) -> list[Any]:
    return [item for item in items if not _fits(item, name, value)]


def find(items: Items, name: str, value: object = None) -> Any:
    return next((item for item in items if _fits(item, name, value)), None)


def find_index(items: Items, name: str, value: object = None) -> int | None:
    found = (n for n, item in enumerate(items) if _fits(item, name, value))
    return next(found, None)


def has(items: Items, name: str, value: object = None) -> bool:
    return any(_fits(item, name, value) for item in items)


def property_accessor(value: dict[str, Any], name: str) -> Any:
    return value.get(name)


def _fits(item: object, name: str, value: object) -> bool:
    found = property_of(item, name)
    if value is None:
        # 0 is False to Python, and is something to everybody else.
        return found is not None and found is not False
    # True is 1 to Python, and to nobody else.
    return bool(found == value) and isinstance(found, bool) == isinstance(value, bool)


def _sorted(items: Items, name: str | None, fold: Callable[[str], Any]) -> list[Any]:
    """What has nothing to be sorted by comes last, as in Liquid."""
    keys = items if name is None else [property_of(item, name) for item in items]
    known = [n for n, key in enumerate(keys) if key is not None]
    kinds = {_order(keys[n]) for n in known}
    if len(kinds) > 1:
        raise FilterError("texts and numbers cannot be sorted together")
    order = [fold(key) if isinstance(key, str) else key for key in keys]
    known.sort(key=order.__getitem__)
    return [
        items[n] for n in (*known, *(n for n, key in enumerate(keys) if key is None))
    ]


def _order(key: object) -> type:
    if isinstance(key, str):
        return str
    if isinstance(key, int | float) and not isinstance(key, bool):
        return float
    raise FilterError("only texts or numbers can be sorted")


def _written(item: object) -> bytes:
    try:
        return orjson.dumps(item, option=orjson.OPT_SORT_KEYS)
    except TypeError:
        # A number beyond 64 bits, or a time.
        return repr(item).encode()
