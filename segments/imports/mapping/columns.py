"""What the cells of a whole column have in common: its type is that of all of them.

A row at a time would take 05/07 for May and 27/07 for July; and 007 for 7.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from segments.imports.mapping import types
from segments.imports.reading.rows import MISSING, Row

EMAIL = "email"
MOST_EXAMPLES = 3
MAX_EXAMPLE = 60
# What is known of a column, or may be asked about it.
_CORES = {**types.PATTERNS, EMAIL: r"[^\s@]{1,64}@[^\s@]{1,255}"}
# All of a column at once, a cell a line: a loop of the machine's own.
_COLUMN = {
    name: re.compile(rf"(?:[ \t]*+(?:{core})?[ \t]*+(?:\n|\Z))*+")
    for name, core in _CORES.items()
}
# Whether a cell may be of a kind.
_FITS: Mapping[str, Callable[[str], object]] = {
    **{
        name: re.compile(rf"\s*(?:{core})?\s*").fullmatch
        for name, core in _CORES.items()
    },
    types.JSON: types.is_json,
}
_LOOKS_LIKE_JSON = re.compile(r"\[ ?[\[\]{\"]|\{ ?[\"}]").match


@dataclass(slots=True, kw_only=True)
class Column:
    """A column as far as it was read.

    `may_be`: what all of its texts could be. `against`: for what they could not, the
    line and the cell that say so. `values`: the types of what is no text, in JSON.
    """

    name: str
    filled: int = 0
    examples: list[str] = field(default_factory=list)
    may_be: list[str] = field(default_factory=lambda: list(_FITS))
    against: dict[str, tuple[int, str]] = field(default_factory=dict)
    values: list[str] = field(default_factory=list)
    has_marks: bool = False

    def learn(self, lines: Sequence[int], cells: Sequence[Any]) -> None:
        texts: list[str] = []
        for cell in cells:
            texts.append(cell if isinstance(cell, str) else self._value(cell))
        self._learn_texts(lines, texts)

    def learn_texts(self, lines: Sequence[int], texts: Sequence[str]) -> None:
        """The same for cells that are all texts."""
        self.filled += len(texts) if all(texts) else sum(map(bool, texts))
        self._learn_texts(lines, texts)

    def _learn_texts(self, lines: Sequence[int], texts: Sequence[str]) -> None:
        if len(self.examples) < MOST_EXAMPLES:
            self._take_examples(texts)
        if not self.may_be:
            return
        different = set(texts)
        joined = "\n".join(different).replace("\N{NO-BREAK SPACE}", " ")
        has_breaks = joined.count("\n") != len(different) - 1
        for kind in list(self.may_be):
            if kind == types.JSON:
                # A cell may have several lines.
                fits = all(map(types.is_json, different))
            else:
                fits = not has_breaks and bool(_COLUMN[kind].fullmatch(joined))
            if not fits:
                self._rule_out(kind, lines, texts)
        if not self.has_marks and types.NUMBER in self.may_be:
            self.has_marks = "." in joined or "," in joined

    def _rule_out(self, kind: str, lines: Sequence[int], texts: Sequence[str]) -> None:
        self.may_be.remove(kind)
        for line, text in zip(lines, texts, strict=True):
            if not _FITS[kind](text):
                self.against[kind] = (line, text[:MAX_EXAMPLE])
                return

    def _value(self, value: Any) -> str:
        """Note the type of what is no text; what texts say of the column stays."""
        if value is None or value is MISSING:
            return ""
        name = type(value).__name__
        if name not in self.values:
            self.values.append(name)
        self.filled += 1
        if len(self.examples) < MOST_EXAMPLES:
            self._take_examples([_as_text(value)])
        return ""

    def _take_examples(self, texts: Sequence[str]) -> None:
        for text in dict.fromkeys(texts):
            shown = " ".join(text.split())[:MAX_EXAMPLE]
            if shown and shown not in self.examples:
                self.examples.append(shown)
                if len(self.examples) == MOST_EXAMPLES:
                    return


def _as_text(value: Any) -> str:
    is_json = isinstance(value, bool | list | dict)
    return json.dumps(value, ensure_ascii=False) if is_json else str(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Guess:
    """The type of a column; "" where its cells leave open which of `open` it is.

    `why` says what decided, where that is not plain to see.
    """

    type: str
    open: tuple[str, ...] = ()
    why: str = ""


def guess(column: Column, is_typed: bool) -> Guess:
    """Decide by all cells; text where they have nothing else in common."""
    if is_typed:
        return Guess(type=types.AS_IS)
    left = [t for t in (*types.PATTERNS, types.JSON) if t in column.may_be]
    if not column.filled or not left:
        return Guess(type=types.TEXT, why=_why_text(column))
    if types.DATE_DMY in left and types.DATE_MDY in left:
        both = (types.DATE_DMY, types.DATE_MDY)
        return Guess(
            type="", open=both, why="Each of its dates can be read either way."
        )
    if types.NUMBER in left and types.NUMBER_COMMA in left:
        if column.has_marks:
            both = (types.NUMBER, types.NUMBER_COMMA)
            return Guess(
                type="", open=both, why="Each of its numbers can be read either way."
            )
        return Guess(type=types.NUMBER)
    return Guess(type=left[0], why=_why_order(column, left[0]))


def learn(columns: Sequence[Column], rows: Sequence[Row], is_typed: bool) -> None:
    """Look at all cells of rows that have no problem."""
    good = [row for row in rows if not row[2]]
    if not good:
        return
    lines, padded, _ = zip(*good, strict=True)
    width = len(columns)
    if set(map(len, padded)) != {width}:
        # A row of JSON may be shorter than those after it, which brought new keys.
        padded = tuple([*cells, *[MISSING] * (width - len(cells))] for cells in padded)
    for column, cells in zip(columns, zip(*padded, strict=True), strict=True):
        if is_typed:
            column.filled += sum(isinstance(c, str) and c != "" for c in cells)
            column.learn(lines, cells)
        else:
            column.learn_texts(lines, cells)


def _why_order(column: Column, type: str) -> str:
    others = {types.DATE_DMY: types.DATE_MDY, types.DATE_MDY: types.DATE_DMY}
    against = column.against.get(others.get(type, ""))
    return f"Line {against[0]:,} has “{against[1]}”." if against else ""


def _why_text(column: Column) -> str:
    """Which cell is no number, in a column that is nearly one of numbers; or of JSON."""
    against = column.against.get(types.NUMBER)
    if against and re.fullmatch(
        r"[\d.,]+", column.examples[0] if column.examples else ""
    ):
        return f"Line {against[0]:,} has “{against[1]}”."
    against = column.against.get(types.JSON)
    if against and column.examples and all(map(_LOOKS_LIKE_JSON, column.examples)):
        return f"Line {against[0]:,} has “{against[1]}”: no list or object."
    return ""
