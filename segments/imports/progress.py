"""How an import is doing, in numbers for people."""

from dataclasses import dataclass
from datetime import timedelta

from lemnisk_braze.lib import database_clock
from segments.imports import report
from segments.models import Import

State = Import.State
# Before so many seconds a rate says nothing.
SOON = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """`percent` None: nobody knows how much there is. `left` None: nor how long.

    `is_applying`: all of it is in the inbox, and some of it not yet applied. `erased`:
    rows of people who were erased; they are kept out. `came_in`: rows of the others, so
    far as they are good.
    """

    read: int
    rows: int | None
    bad: int
    refused: int
    percent: int | None
    rate: int
    left: timedelta | None
    is_applying: bool
    took: timedelta | None
    new: int
    changed: int
    same: int
    repeated: int
    erased: int

    @property
    def came_in(self) -> int:
        return self.read - self.bad - self.refused - self.erased

    @property
    def people(self) -> int:
        return self.new + self.changed + self.same


def of(imported: Import) -> Progress:
    """Read it off the row, by the database's clock."""
    read, rows = imported.read, imported.rows
    rate, left = 0.0, None
    phase = imported.phase_at or imported.created_at
    seconds = (database_clock.now() - phase).total_seconds()
    if imported.state in Import.WORKING and seconds >= SOON:
        rate = (read - imported.phase_from) / seconds
        if rate and rows is not None:
            left = timedelta(seconds=round(max(rows - read, 0) / rate))
    took = None
    if imported.started_at and imported.finished_at:
        took = imported.finished_at - imported.started_at
        took = timedelta(seconds=round(took.total_seconds()))
    found = imported.found
    bad = found.get("bad", 0) if imported.state == State.READY else imported.bad
    erased = found.get("erased", 0)
    if imported.started_at:
        erased = report.erased(imported).count()
    return Progress(
        read=read,
        rows=rows,
        bad=bad,
        refused=report.refused(imported).count() if imported.started_at else 0,
        percent=min(read * 100 // rows, 100) if rows else None,
        rate=round(rate),
        left=left,
        is_applying=imported.state == State.RUNNING and bool(imported.appended_at),
        took=took,
        new=found.get("new", 0),
        changed=found.get("changed", 0),
        same=found.get("same", 0),
        repeated=found.get("repeated", 0),
        erased=erased,
    )
