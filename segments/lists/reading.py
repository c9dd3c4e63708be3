"""A file, or what was pasted, as identifiers of one kind."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, BinaryIO

from django.db import connection

from lemnisk_braze.lib.names import is_one_line, visible
from segments.identity import tombstones
from segments.identity.calls import CONTACTS, EMAIL, PHONE, PLACEHOLDER, Rules
from segments.imports import storing
from segments.imports.mapping import suggestions, types
from segments.imports.reading import formats
from segments.imports.reading.formats import Format
from segments.imports.reading.rows import (
    MISSING,
    FileError,
    Position,
    Reader,
    Row,
)
from segments.models import Identifier, ListLine, ListUpload
from segments.models.copying import copy, field

Kind = ListLine.Kind
MAX_IDENTIFIER: int = ListLine.MAX_IDENTIFIER
# In bytes: an index takes no longer ones.
MAX_BYTES = 2_600
# In rows: what is read at a time.
PIECE = 5_000
MAX_RAW = 200
ERASED = "It is of somebody who was erased."
NO_TEXT = "It is neither a text nor a number."


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A file that is kept; `column` None: somebody has to say which it is."""

    name: str
    path: str
    bytes: int
    format: Format
    column: int | None
    has_names: bool


def kinds() -> list[tuple[str, str]]:
    """(kind, its name) of the identifiers that a list may be of: those people have."""
    known = dict(Identifier.Kind.choices)
    known.pop(PLACEHOLDER)
    with connection.cursor() as cursor:
        cursor.execute(KINDS)
        own = [kind for (kind,) in cursor.fetchall()]
    own += [kind for kind in Rules.from_settings().joins if kind != "*"]
    others = sorted({*own} - {*known, PLACEHOLDER})
    return [*known.items(), *((kind, kind.replace("_", " ")) for kind in others)]


def take(name: str, blocks: Iterable[bytes], kind: str) -> Taken:
    """Keep a file, and find its column; raises FileError, having kept nothing."""
    kept = storing.take(name, blocks)
    try:
        if kept.state == kept.State.UPLOADED:
            raise FileError(storing.untold_encoding(kept))
        format = storing.format_of(kept)
        if format.kind == formats.JSON_LINES:
            with storing.stream_of(kept) as stream:
                reader = formats.open_rows(stream, format, finds=True)
                reader.read(PIECE)
                format = Format(kind=format.kind, columns=tuple(reader.columns))
    except FileError:
        storing.drop(kept)
        raise
    column, has_names = _column(format, kind)
    return Taken(
        name=kept.name,
        path=kept.path,
        bytes=kept.size,
        format=format,
        column=column,
        has_names=has_names,
    )


def upload_of(taken: Taken, **fields: Any) -> ListUpload:
    """An (unsaved) upload of a file, in the state in which it begins."""
    state = ListUpload.State
    # What stands in the first row may be somebody's; names are asked about.
    is_shown = taken.column is None
    columns = list(taken.format.columns) if is_shown or taken.format.is_typed else []
    return ListUpload(
        state=state.UPLOADED if taken.column is None else state.READING,
        name=taken.name,
        path=taken.path,
        bytes=taken.bytes,
        format={**asdict(taken.format), "columns": columns},
        column=taken.column,
        has_names=taken.has_names,
        **fields,
    )


def reader_of(upload: ListUpload, stream: BinaryIO) -> Reader:
    """Its rows from where it was left off; raises FileError."""
    position = Position(upload.offset, upload.line)
    return formats.open_rows(stream, format_of(upload), position, keeps_empty=True)


def format_of(upload: ListUpload) -> Format:
    kept = upload.format
    return Format(**{**kept, "columns": tuple(kept["columns"])})


def without_columns(upload: ListUpload) -> dict[str, Any]:
    """Its format, without what stood in its first row."""
    return {**upload.format, "columns": []}


def first_row(upload: ListUpload, reader: Reader) -> list[Row]:
    """The row that names columns, where it is an identifier like the others."""
    is_at_the_start = not upload.offset and not upload.rows
    if upload.has_names or format_of(upload).is_typed or not is_at_the_start:
        return []
    return [(1, list(reader.columns), "")]


def keep(upload: ListUpload, rows: Sequence[Row]) -> None:
    """Write lines for these rows, in the caller's transaction.

    Who is being erased is waited for: what names them is not kept, or is found by the
    erasure afterwards.
    """
    with connection.cursor() as cursor:
        cursor.execute("LOCK TABLE segments_tombstone IN SHARE MODE")
    lines = list(_lines(upload, rows))
    gone = erased(upload.of.kind, {v for _, v, kind, _ in lines if kind == Kind.NEW})
    copy(
        "segments_listline",
        ("upload_id", "line", "value", "kind", "reason"),
        (
            f"{upload.pk}\t{line}\t\t{Kind.REFUSED}\t{ERASED}"
            if kind == Kind.NEW and value in gone
            else f"{upload.pk}\t{line}\t{field(value)}\t{kind}\t{field(reason)}"
            for line, value, kind, reason in lines
        ),
    )


def _column(format: Format, kind: str) -> tuple[int | None, bool]:
    """(the column that has the identifiers, whether the first row has names)."""
    called = [
        number
        for number, name in enumerate(format.columns)
        if suggestions.is_called(kind, name)
    ]
    if len(format.columns) == 1:
        return 0, bool(called)
    return (called[0] if len(called) == 1 else None), True


def _lines(
    upload: ListUpload, rows: Iterable[Row]
) -> Iterator[tuple[int, str, str, str]]:
    """(line, value, kind, reason) of each; what may be on the list is new so far."""
    column, kind = upload.column or 0, upload.of.kind
    rules = Rules.from_settings()
    for line, cells, unread in rows:
        raw = cells[column] if column < len(cells) else ""
        text = _text(raw)
        if isinstance(raw, bool | list | dict):
            unread = unread or NO_TEXT
        if unread:
            yield line, _shown(text), Kind.REFUSED, unread[:255]
            continue
        value = normal(kind, text)
        if not value:
            yield line, "", Kind.BLANK, ""
        elif wrong := problem(kind, value, rules):
            yield line, _shown(text), Kind.REFUSED, wrong
        else:
            yield line, value, Kind.NEW, ""


def normal(kind: str, text: str) -> str:
    """An identifier as it is kept, however it was typed."""
    return CONTACTS[kind](text) if kind in CONTACTS else text.strip()


def problem(kind: str, value: str, rules: Rules | None = None) -> str:
    """Why nobody can have such an identifier; "" where somebody can."""
    if not is_one_line(value):
        return "It has characters that nobody sees."
    if len(value) > MAX_IDENTIFIER or len(value.encode()) > MAX_BYTES:
        return f"It is longer than {MAX_IDENTIFIER} characters."
    if wrong := types.rounded(value):
        return f"{wrong}."
    if kind == EMAIL and not ("@" in value[1:-1] and " " not in value):
        return "It is no e-mail address."
    if kind == PHONE and sum(map(str.isdigit, value)) < 3:
        return "It is no phone number."
    if (rules or Rules.from_settings()).is_placeholder(value):
        return "Programs send it that know nobody."
    return ""


def erased(kind: str, values: set[str]) -> set[str]:
    """Those that are kept out because somebody was erased."""
    found = tombstones.find([(kind, value) for value in values])
    return {value for (_, value), one in found.items() if not one.may_return}


def _text(raw: object) -> str:
    if raw is None or raw is MISSING:
        return ""
    if isinstance(raw, str):
        return raw
    return json.dumps(raw) if isinstance(raw, bool | list | dict) else str(raw)


def _shown(text: str) -> str:
    return visible(text).replace("\0", "").strip()[:MAX_RAW]


# A step in the index for each kind that is there.
KINDS = """
WITH RECURSIVE found (kind) AS (
    (SELECT kind FROM segments_identifier ORDER BY kind LIMIT 1)
    UNION ALL
    SELECT (
        SELECT i.kind FROM segments_identifier i
        WHERE i.kind > found.kind ORDER BY i.kind LIMIT 1
    ) FROM found WHERE found.kind IS NOT NULL
)
SELECT kind FROM found WHERE kind IS NOT NULL LIMIT 100
"""
