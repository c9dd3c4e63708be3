"""A piece's cells, column by column: loops of the machine's own where nothing is odd.

Each gives what the same cells give one by one. What is odd, such as a cell that is not
of its column's type, raises ValueError: then each row is looked at by itself, and those
that are bad are told with their reasons.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any

from segments.imports.mapping import types

# Numbers a line: as int, and as float, reads them.
_WHOLE = re.compile(r"(?:-?[0-9]{1,18}(?:\n|\Z))*+")
_DECIMAL = re.compile(r"(?:-?[0-9]{1,18}(?:\.[0-9]{1,18})?(?:\n|\Z))*+")


def texts(cells: Sequence[Any], most: int) -> list[str]:
    """What names something: trimmed texts of visible ASCII, of at most `most` bytes."""
    joined = _joined(cells)
    is_plain = joined.isascii() and joined.count("\n") == len(cells) - 1
    if not is_plain or not joined.replace("\n", "").isprintable():
        raise ValueError("one of them is not plain")
    if "E+" in joined:
        raise ValueError("one of them may be rounded")
    trimmed = list(map(str.strip, cells))
    if max(map(len, trimmed)) > most:
        raise ValueError("one of them is too long")
    return trimmed


def values(
    cells: Sequence[Any],
    type: str,
    convert: Callable[[str], Any] | None,
    clean: Callable[[str], str],
    empty: object,
) -> tuple[list[Any], bool]:
    """(texts converted, empty ones as `empty`; whether there is an empty one).

    Raises ValueError as `convert` does.
    """
    if _joined(cells).isascii():
        trimmed = list(map(str.strip, cells))
    else:
        trimmed = [cell.strip() if cell.isascii() else clean(cell) for cell in cells]
    has_empty = not all(trimmed)
    if convert is None:
        values = [cell or empty for cell in trimmed] if has_empty else trimmed
        return values, has_empty
    if type == types.NUMBER and not has_empty:
        joined = "\n".join(trimmed)
        if _WHOLE.fullmatch(joined):
            return list(map(int, trimmed)), False
        if _DECIMAL.fullmatch(joined):
            return [float(c) if "." in c else int(c) for c in trimmed], False
    different = set(trimmed)
    converted = {cell: convert(cell) for cell in different if cell}
    converted[""] = empty
    return [*map(converted.__getitem__, trimmed)], has_empty


def are_short(rows: Sequence[Sequence[Any]], most: int) -> bool:
    """Whether all cells are texts, and those of a row have at most so many characters."""
    try:
        return max(map(len, map("".join, rows))) <= most
    except TypeError:
        return False


def _joined(cells: Sequence[Any]) -> str:
    try:
        return "\n".join(cells)
    except TypeError as e:
        raise ValueError("one of them is no text") from e
