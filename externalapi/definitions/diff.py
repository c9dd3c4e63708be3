"""What differs between two texts: line by line, and word by word within a line."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import zip_longest

# In two lines that have less in common than this, no single words are marked.
SIMILAR = 0.4
# Comparing the words of longer lines costs more than anybody would read.
MAX_LINE = 2_000
_WORDS = re.compile(r"\w+|\s+|[^\w\s]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A part of a line; `is_changed` where the other side has something else."""

    text: str
    is_changed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of both sides, side by side; a side without a line is None.

    `kind` is same, changed, removed, added, or skipped, where `skipped` lines that are
    the same on both sides are left out.
    """

    kind: str
    before: tuple[Piece, ...] | None = None
    after: tuple[Piece, ...] | None = None
    before_number: int | None = None
    after_number: int | None = None
    skipped: int = 0


def diff_lines(before: str, after: str, context: int | None = 3) -> list[Row]:
    """Return the rows of two texts; empty where they are the same.

    Only `context` equal lines stay around each difference; None keeps them all.
    """
    if before == after:
        return []
    rows = list(_rows(before.splitlines(), after.splitlines()))
    return rows if context is None else _shortened(rows, context)


def _rows(before: Sequence[str], after: Sequence[str]) -> Iterator[Row]:
    matcher = SequenceMatcher(None, before, after)
    for kind, i1, i2, j1, j2 in matcher.get_opcodes():
        for i, j in zip_longest(range(i1, i2), range(j1, j2)):
            if kind == "equal":
                yield _same(before[i], i, j)
            else:
                yield _different(before, after, i, j)


def _same(line: str, i: int, j: int) -> Row:
    pieces = (Piece(text=line),)
    return Row(
        kind="same",
        before=pieces,
        after=pieces,
        before_number=i + 1,
        after_number=j + 1,
    )


def _different(
    before: Sequence[str], after: Sequence[str], i: int | None, j: int | None
) -> Row:
    if i is not None and j is not None:
        old, new = diff_words(before[i], after[j])
        numbers = {"before_number": i + 1, "after_number": j + 1}
        return Row(kind="changed", before=old, after=new, **numbers)
    if i is not None:
        return Row(kind="removed", before=_whole(before[i]), before_number=i + 1)
    assert j is not None
    return Row(kind="added", after=_whole(after[j]), after_number=j + 1)


def diff_words(before: str, after: str) -> tuple[tuple[Piece, ...], tuple[Piece, ...]]:
    """Return both lines with their changed words marked: all, where little is alike."""
    if max(len(before), len(after)) > MAX_LINE:
        return _whole(before), _whole(after)
    old, new = _WORDS.findall(before), _WORDS.findall(after)
    matcher = SequenceMatcher(None, old, new, autojunk=False)
    if matcher.ratio() < SIMILAR:
        return _whole(before), _whole(after)
    left, right = [], []
    for kind, i1, i2, j1, j2 in matcher.get_opcodes():
        is_changed = kind != "equal"
        left.append(Piece(text="".join(old[i1:i2]), is_changed=is_changed))
        right.append(Piece(text="".join(new[j1:j2]), is_changed=is_changed))
    return _filled(left), _filled(right)


def _whole(line: str) -> tuple[Piece, ...]:
    return (Piece(text=line, is_changed=True),)


def _filled(pieces: list[Piece]) -> tuple[Piece, ...]:
    return tuple(piece for piece in pieces if piece.text)


def _shortened(rows: list[Row], context: int) -> list[Row]:
    """Leave out what is the same, except `context` lines around a difference."""
    near = {
        index + step
        for index, row in enumerate(rows)
        if row.kind != "same"
        for step in range(-context, context + 1)
    }
    out: list[Row] = []
    for index, row in enumerate(rows):
        if index in near:
            out.append(row)
        elif out and out[-1].kind == "skipped":
            out[-1] = Row(kind="skipped", skipped=out[-1].skipped + 1)
        else:
            out.append(Row(kind="skipped", skipped=1))
    return out
