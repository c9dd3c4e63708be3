"""Reading JSON that somebody pasted: bounded, and every mistake with its place."""

from collections.abc import Mapping

import orjson

from externalapi.importers.common.types import PasteError, short
from lemnisk_braze.lib.json_types import JSON

# Vendors' documents are nested far less; what reads them goes down a call a level.
MAX_DEPTH = 100


def read_json(text: str) -> JSON:
    """Return the tree of a text; PasteError says where it is not JSON."""
    try:
        tree: JSON = orjson.loads(text)
    except orjson.JSONDecodeError as e:
        raise PasteError(
            f"Line {e.lineno}, column {e.colno}: this is not JSON ({e.msg})."
        ) from e
    except UnicodeEncodeError as e:
        raise PasteError("It contains half of a character.") from e
    if "\\u0000" in text:
        _check_no_nul(tree, text)
    _check_depth(tree)
    return tree


def _check_no_nul(tree: JSON, text: str) -> None:
    """The text may have it escaped twice, which is no such character."""
    rest: list[JSON] = [tree]
    while rest:
        one = rest.pop()
        if isinstance(one, str) and "\0" in one:
            before = text[: text.index("\\u0000")]
            raise PasteError(
                f"Line {before.count(chr(10)) + 1}: this text contains a NUL "
                "character, which cannot be sent."
            )
        rest += [*(one if isinstance(one, dict) else ()), *(i for _, i in _items(one))]


def _check_depth(tree: JSON) -> None:
    level: list[tuple[str, JSON]] = [("#", tree)]
    for depth in range(MAX_DEPTH):
        # Where it is in the first levels is enough to find it.
        level = [
            (pointer(where, key) if depth < 4 else where, item)
            for where, one in level
            for key, item in _items(one)
        ]
        if not level:
            return
    raise PasteError(
        f"It is nested more than {MAX_DEPTH} levels deep below {printed(level[0][0])}."
    )


def _items(tree: JSON) -> list[tuple[str, JSON]]:
    if isinstance(tree, dict):
        return list(tree.items())
    if isinstance(tree, list):
        return [(str(index), item) for index, item in enumerate(tree)]
    return []


def pointer(where: str, *keys: str | int) -> str:
    """Return where a part stands, as a JSON pointer (RFC 6901): #/paths/~1pets/get."""
    parts = (str(key).replace("~", "~0").replace("/", "~1") for key in keys)
    return "/".join((where, *parts))


def printed(where: str) -> str:
    """A place in the document, for a sentence about it."""
    end = where if len(where) <= 100 else f"…{where[-99:]}"
    return f"“{end}”"


def object_at(tree: JSON, where: str) -> Mapping[str, JSON]:
    """Return an object; one that is not there is empty. PasteError says where."""
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise PasteError(f"{printed(where)} is not an object ({short(repr(tree))}).")
    return tree


def list_at(tree: JSON, where: str) -> list[JSON]:
    """Return a list; one that is not there is empty. PasteError says where."""
    if tree is None:
        return []
    if not isinstance(tree, list):
        raise PasteError(f"{printed(where)} is not a list ({short(repr(tree))}).")
    return tree


def text_at(tree: JSON, where: str) -> str:
    """Return a text; one that is not there is empty. PasteError says where."""
    if tree is None:
        return ""
    if not isinstance(tree, str):
        raise PasteError(f"{printed(where)} is not a text ({short(repr(tree))}).")
    return tree
