"""What a query gives now: its first rows, and what each column of a SQL source becomes."""

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from lemnisk_braze.lib import sealing
from segments.imports.feeding import automatic, databases, watermark
from segments.imports.mapping import columns, messages, naming, types
from segments.imports.mapping.columns import Column
from segments.imports.reading.json_lines import JsonLines
from segments.models import SourceQuery

ROWS = 20
# In seconds: somebody waits for the page.
PATIENCE = 15
# Characters of a cell.
MOST_SHOWN = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """At most ROWS rows, as JSON's values; `uses`: what each column becomes, in words.

    `problem`: why no person or event could be made of them, instead of `uses`.
    """

    names: Sequence[str]
    rows: Sequence[Sequence[Any]]
    uses: Sequence[str] = ()
    problem: str = ""


def ask(query: SourceQuery) -> Preview:
    """Ask for the first rows, whatever the watermark; nothing is kept of them.

    Raises databases.QueryError, address.AddressError, FileError and sealing.SealError.
    """
    names, rows = _read(query, query.query, query.watermark_column)
    known = [Column(name=name) for name in names]
    columns.learn(known, rows, is_typed=True)
    shown = [cells for _, cells, _ in rows]
    try:
        said = automatic.said_of(query)
        plan = naming.plan(known, True, said["columns"], said["settings"])
    except naming.NamingError as e:
        return Preview(names=names, rows=shown, problem=str(e) if rows else "")
    uses = [_in_words(use, plan.makes) for use in plan.columns]
    return Preview(names=names, rows=shown, uses=uses)


def ask_for_list(source: SourceQuery, query: str, column: str, holds: str) -> Preview:
    """The same of a query whose `column` has a list's identifiers; `holds` is their kind.

    Raises what `ask` does.
    """
    names, rows = _read(source, query)
    shown = [cells for _, cells, _ in rows]
    if rows and column not in names:
        problem = f"The query has no column “{column}”."
        return Preview(names=names, rows=shown, problem=problem)
    uses = [f"Who is in: {holds}" if one == column else "Left out" for one in names]
    return Preview(names=names, rows=shown, uses=uses)


def _read(source: SourceQuery, query: str, column: str = "") -> tuple[Any, Any]:
    """The names of the columns, and rows as readers give them."""
    whole = watermark.statement(query, "", None, 0)
    dsn = sealing.unseal(source, source.address_encrypted)
    with databases.opened(
        source.kind, dsn, f"{whole} LIMIT {ROWS}", column, seconds=PATIENCE
    ) as answer:
        lines = b"".join(answer.lines())
    reader = JsonLines(BytesIO(lines), finds=True)
    rows = reader.read(ROWS)
    return reader.columns, rows


def _in_words(use: messages.ColumnUse, makes: str) -> str:
    if not use.to:
        return "Left out"
    label = messages.TARGETS[makes][use.to]
    if use.to not in messages.NAMED:
        return label
    is_as_it_is = use.type == types.AS_IS
    said = "" if is_as_it_is else f", {types.LABELS[use.type].lower()}"
    return f"{label} “{use.name}”{said}"
