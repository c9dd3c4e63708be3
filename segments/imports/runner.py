"""Work at an import: a piece of its file at a time, each in one transaction.

The transaction that does something with a piece's rows also notes that the file was read
so far. It does so only for the holder of the row's lease (`leases`): of two workers one at
most goes on, and after a kill the next begins at the note.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

import orjson
from django.db import connection, transaction
from django.db.models import F

from lemnisk_braze.lib import database_clock
from lemnisk_braze.lib.logs import get_logger
from segments import wakeup
from segments.imports import checking, leases, storing
from segments.imports.feeding import automatic
from segments.imports.mapping import columns
from segments.imports.mapping.columns import Column
from segments.imports.mapping.messages import Message, Plan, Problem, Writer
from segments.imports.reading.rows import Reader, Row
from segments.ingest import garbage, health, inbox
from segments.models import BadRow, Import, SourceQuery

logger = get_logger(__name__)

State = Import.State
# In seconds: one turn of a worker, which then looks at what else there is.
TURN = 5.0
# In rows: a piece, which is a request of the inbox.
PIECE = 2_500
# In messages: so many may wait in the inbox, whoever they are of. More, and what comes
# in by the tracking API would wait for long behind the import.
AHEAD = 10_000
# In seconds: how long the inbox is to be held by one piece; a longer one is cut in
# halves, and a shorter one makes the next larger.
SOON, LONG = 0.1, 0.3
FEW = 500
# In seconds: how long is waited for a worker who is applying, before the next look.
LOOK_AGAIN = 0.1
MAX_CELLS = 16_000


def turn(import_id: int, seconds: float = TURN) -> bool:
    """Go on with it for so long; whether more is left to be done at once."""
    deadline = time.monotonic() + seconds

    def log() -> None:
        logger.exception("import.failed", import_id=import_id)

    with leases.held(Import, import_id, _fail, log) as token:
        if token is not None:
            with garbage.seldom_collected():
                return _work(import_id, token, deadline)
    return False


def wake_waiting() -> int:
    """Wake workers for what is to go on and is in nobody's hands; return how many."""
    ids = leases.waiting(Import)
    for import_id in ids:
        wakeup.run_import(import_id)
    return len(ids)


def _work(import_id: int, token: int, deadline: float) -> bool:
    """Whether time was up before the work was."""
    while time.monotonic() < deadline:
        imported = Import.objects.get(pk=import_id)
        if imported.state not in Import.WORKING:
            return False
        if imported.appended_at:
            if not _is_applied(imported, deadline):
                return True
            _finish(imported, token)
            return False
        phase = _Phase(imported, token)
        with storing.stream_of(imported) as stream:
            if not phase.go_on(storing.reader_of(imported, stream), deadline):
                return True
    return True


class _Phase:
    """One phase of an import, from where it was left off."""

    def __init__(self, imported: Import, token: int) -> None:
        self._import, self._token = imported, token
        self._columns = [Column(**column) for column in imported.columns]
        self._is_typed = storing.format_of(imported).is_typed
        self._at_once = PIECE
        # When the inbox was taken for the last piece, or would have been.
        self._began = 0.0
        if imported.state != State.READING:
            self._source = imported.source
            self._writer = _writer(imported)

    def go_on(self, reader: Reader, deadline: float) -> bool:
        """Until the end of the file, or the deadline; whether it came to the end."""
        act: Mapping[str, Callable[[Reader, Sequence[Row]], dict[str, Any]]] = {
            State.READING: self._read,
            State.CHECKING: self._check,
            State.RUNNING: self._run,
        }
        work = act[self._import.state]
        is_running = self._import.state == State.RUNNING
        while time.monotonic() < deadline:
            if is_running and not _has_room(deadline):
                return False
            rows = reader.read(self._at_once)
            self._began = time.monotonic()
            with transaction.atomic():
                self._note(work(reader, rows), reader, rows)
            if not rows:
                return True
            if is_running:
                self._suit(time.monotonic() - self._began)
                inbox.settle()
        return False

    def _suit(self, took: float) -> None:
        """Let the next piece be one that takes neither long nor no time at all."""
        if took > LONG:
            self._at_once = max(self._at_once // 2, min(FEW, PIECE))
        elif took < SOON:
            self._at_once = min(self._at_once * 2, PIECE)

    def _note(self, news: dict[str, Any], reader: Reader, rows: Sequence[Row]) -> None:
        position = reader.position
        held = Import.objects.filter(
            pk=self._import.pk, token=self._token, state=self._import.state
        )
        now = database_clock.now()
        noted: dict[str, Any] = {
            "read": F("read") + len(rows),
            "offset": position.offset,
            "line": position.line,
            "held_until": now + leases.LEASE,
            **news,
        }
        if not rows:
            noted |= self._end(now)
        if not held.update(**noted):
            raise leases.LostError

    def _end(self, now: datetime) -> dict[str, Any]:
        """What is noted of a phase that has come to the end of the file."""
        imported = self._import
        if imported.state == State.READING and imported.is_automatic:
            plan = automatic.plan_of(imported).as_json()
            began = start(State.RUNNING, now)
            return {"rows": F("read"), **began, "plan": plan, "started_at": now}
        if imported.state == State.READING:
            return {"rows": F("read"), **start(State.UPLOADED, now)}
        if imported.state == State.CHECKING:
            found = {**checking.counts(imported), **imported.found}
            found["bad"] = imported.bad
            return {"found": found, **start(State.READY, now)}
        return {"appended_at": now}

    def _read(self, reader: Reader, rows: Sequence[Row]) -> dict[str, Any]:
        """What all the cells of its columns have in common."""
        new = reader.columns[len(self._columns) :]
        self._columns += [Column(name=name) for name in new]
        columns.learn(self._columns, rows, self._is_typed)
        storing.note_format(
            self._import, storing.format_of(self._import), reader.columns
        )
        self._import.columns = [asdict(column) for column in self._columns]
        return {
            "columns": self._import.columns,
            "format": self._import.format,
            "bad": F("bad") + sum(bool(problem) for _, _, problem in rows),
        }

    def _check(self, reader: Reader, rows: Sequence[Row]) -> dict[str, Any]:
        messages, problems = self._writer.messages(rows)
        found = self._import.found
        again, erased = checking.note(self._import, messages)
        found["repeated"] = found.get("repeated", 0) + again
        found["erased"] = found.get("erased", 0) + erased
        return {"found": found, **self._keep(problems)}

    def _run(self, reader: Reader, rows: Sequence[Row]) -> dict[str, Any]:
        messages, problems = self._writer.messages(rows)
        if messages:
            self._bring_in(messages)
        return self._keep(problems)

    def _bring_in(self, messages: Sequence[Message]) -> None:
        """Apply them at once, or append them where somebody else is applying."""
        assert self._source is not None
        if self._is_typed:
            # As the inbox reads them, whatever the file's values were.
            messages = orjson.loads(orjson.dumps(messages))
        self._began = time.monotonic()
        # A row that names its event itself may be one that came before.
        is_new = self._writer.numbers_its_rows
        of = self._import.pk
        if inbox.apply_now(self._source, messages, is_new=is_new, import_id=of):
            return
        with connection.cursor() as cursor:
            # The disk is not waited for: a crash forgets the note with the messages.
            cursor.execute("SET LOCAL synchronous_commit = off")
        inbox.append(self._source, messages, import_id=of)
        transaction.on_commit(wakeup.apply_inbox)

    def _keep(self, problems: Sequence[Problem]) -> dict[str, Any]:
        room = max(BadRow.MOST - self._import.bad, 0)
        self._import.bad += len(problems)
        BadRow.objects.bulk_create(
            BadRow(of=self._import, line=line, reason=reason, cells=_as_text(cells))
            for line, reason, cells in problems[:room]
        )
        return {"bad": F("bad") + len(problems)}


def start(state: str, now: datetime) -> dict[str, Any]:
    """The fields of an import that begins a phase at the first row."""
    return {
        "state": state,
        "phase": "",
        "problem": "",
        "offset": 0,
        "line": 0,
        "read": 0,
        "bad": 0,
        "phase_at": now,
        "phase_from": 0,
    }


def _writer(imported: Import) -> Writer:
    at = imported.started_at or imported.created_at
    return Writer(Plan.from_json(imported.plan), prefix_of(imported), at)


def prefix_of(imported: Import) -> str:
    """How the IDs of its messages begin."""
    return f"import-{imported.pk}-"


def _has_room(deadline: float) -> bool:
    """Wait, or help to apply, until the inbox has room; False when time is up."""
    if not inbox.is_waiting():
        return True
    while health.read().waiting > AHEAD:
        if time.monotonic() > deadline:
            return False
        _help_to_apply(deadline)
    return True


def _is_applied(imported: Import, deadline: float) -> bool:
    """Whether all that it appended is applied; waits, or helps, until the deadline."""
    while True:
        oldest = health.read().oldest_at
        if oldest is None or imported.appended_at is None:
            return True
        if oldest > imported.appended_at:
            return True
        if time.monotonic() > deadline:
            return False
        _help_to_apply(deadline)


def _help_to_apply(deadline: float) -> None:
    """A worker alone would otherwise wait for itself."""
    left = max(deadline - time.monotonic(), 0.1)
    if not inbox.apply(min(left, 1.0)).messages:
        time.sleep(LOOK_AGAIN)


def _finish(imported: Import, token: int) -> None:
    held = Import.objects.filter(pk=imported.pk, token=token, state=State.RUNNING)
    now = database_clock.now()
    with transaction.atomic():
        is_done = held.update(state=State.DONE, finished_at=now, changed_at=now)
        if is_done and imported.query_id and imported.watermark:
            # Only now: what did not come in is asked for again.
            SourceQuery.objects.filter(pk=imported.query_id).update(
                watermark=imported.watermark
            )
    if is_done:
        logger.info("import.done", import_id=imported.pk, rows=imported.read)


def _fail(import_id: int, token: int, words: str) -> None:
    held = Import.objects.filter(pk=import_id, token=token, state__in=Import.WORKING)
    held.update(
        state=State.FAILED,
        phase=F("state"),
        problem=words,
        changed_at=database_clock.now(),
    )


def _as_text(cells: Sequence[Any]) -> str:
    text = json.dumps(list(cells), default=str)
    return text if len(text) <= MAX_CELLS else "[]"
