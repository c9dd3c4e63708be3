"""What a SQL source's query gives now: its first rows, and what each column becomes."""

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
    whole = watermark.statement(query.query, "", None, 0)
    dsn = sealing.unseal(query, query.address_encrypted)
    with databases.opened(
        query.kind,
        dsn,
        f"{whole} LIMIT {ROWS}",
        query.watermark_column,
        seconds=PATIENCE,
    ) as answer:
        lines = b"".join(answer.lines())
    reader = JsonLines(BytesIO(lines), finds=True)
    rows = reader.read(ROWS)
    known = [Column(name=name) for name in reader.columns]
    columns.learn(known, rows, is_typed=True)
    shown = [cells for _, cells, _ in rows]
    try:
        said = automatic.said_of(query)
        plan = naming.plan(known, True, said["columns"], said["settings"])
    except naming.NamingError as e:
        return Preview(names=reader.columns, rows=shown, problem=str(e) if rows else "")
    uses = [_in_words(use, plan.makes) for use in plan.columns]
    return Preview(names=reader.columns, rows=shown, uses=uses)


def _in_words(use: messages.ColumnUse, makes: str) -> str:
    if not use.to:
        return "Left out"
    label = messages.TARGETS[makes][use.to]
    if use.to not in messages.NAMED:
        return label
    is_as_it_is = use.type == types.AS_IS
    said = "" if is_as_it_is else f", {types.LABELS[use.type].lower()}"
    return f"{label} “{use.name}”{said}"
