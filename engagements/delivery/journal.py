"""Answers in hand that no database has yet: on this machine's disk they outlive a kill.

Each worker at work has a file of its own, and the lock on it for as long as its process lives.
A file that nobody has locked was left behind: what stands in it is written down as the
process would have done. Of a locked one that is done when a lease has run out: whoever
has it may be slow, in writing it down too, and the answer is known all the same. Nothing waits for the disk: the system keeps what a process
has written, and only a machine that goes down forgets it.
"""

import fcntl
import os
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson
from django.conf import settings
from django.db.models import QuerySet

from engagements.delivery import outcomes
from engagements.models import Attempt, Batch
from engagements.outbox import workers
from engagements.outbox.claim import Claim
from engagements.outbox.prepared_request import PreparedRequest, Result
from engagements.sync import recording
from externalapi.answers.interpretation import ItemError, Outcome, Verdict
from externalapi.template.batching import Packed
from lemnisk_braze.lib import database_clock
from lemnisk_braze.lib.database_errors import About, about
from lemnisk_braze.lib.database_retry import flush
from lemnisk_braze.lib.logs import get_logger

logger = get_logger(__name__)

SUFFIX = ".jsonl"
# In seconds: how often a process at work looks what others left behind.
EVERY = 2.0
# What cannot be written down by a mistake of ours, or is not known, is tried for so long.
KEPT = timedelta(days=1)

_has_warned = False
_looked_at = float("-inf")


class Journal:
    """The answers of one worker at work. Without a disk that takes them it does nothing.

    Leaving the block deletes the file, if all that stands in it was forgotten.
    """

    def __init__(self) -> None:
        self._file: FileIO | None = None
        self._is_empty = True
        self._is_broken = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._file is None:
            return
        if self._is_empty:
            with suppress(OSError):
                os.unlink(self._file.name)
        self._file.close()

    def keep(self, results: Sequence[Result]) -> None:
        if results and not self._is_broken:
            self._try(lambda: self._write(results))

    def forget(self) -> None:
        """All of it is in the database, and on its disk."""
        if not self._is_empty:
            self._try(self._clear)

    def _try(self, step: Callable[[], None]) -> None:
        """A disk that is full or read-only keeps nobody from sending."""
        try:
            step()
        except (OSError, TypeError) as e:
            self._is_broken = True
            _warn(e)

    def _write(self, results: Sequence[Result]) -> None:
        if self._file is None:
            self._file = _new_file()
        # A line of its own also after one that was cut off.
        lines = b"".join(b"\n%b" % orjson.dumps(_entry(result)) for result in results)
        self._is_empty = False
        if self._file.write(lines + b"\n") <= len(lines):
            raise OSError("The disk has not taken all of it.")

    def _clear(self) -> None:
        assert self._file is not None
        self._file.truncate(0)
        self._is_empty = True


def replay_now_and_then() -> None:
    """The same as `replay`, at most every EVERY seconds."""
    global _looked_at
    if time.monotonic() > _looked_at + EVERY:
        _looked_at = time.monotonic()
        replay()


def replay(*, overdue: bool = False) -> bool:
    """Write down the answers of processes that have ended; doing it twice does nothing.

    `overdue`: also those in others' hands, where the lease has run out. Returns whether
    the database took them; what cannot be read or written down now is found again.
    Raises nothing.
    """
    for path in Path(settings.JOURNAL_DIR).glob(f"*{SUFFIX}"):
        try:
            _replay(path, overdue=overdue)
        except FileNotFoundError:
            # Another has just been here.
            pass
        except OSError as e:
            _warn(e)
        except Exception as e:
            if about(e) is About.CONNECTION:
                logger.warning("database.away", because=e)
                return False
            workers.report(e)
    return True


def _replay(path: Path, *, overdue: bool) -> None:
    with path.open("rb", buffering=0) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            # Its process lives, or another is at it.
            if overdue:
                entries = dict(_entries(file.readall()))
                _record(entries, _overdue(_attempts(entries)))
            return
        if os.fstat(file.fileno()).st_nlink == 0:
            return
        entries = dict(_entries(file.readall()))
        attempts = list(_attempts(entries))
        rest = _record(entries, attempts)
        # What is not known here may be another installation's, or come with the rest of
        # the log where the database is a standby that is behind.
        unknown = entries.keys() - {attempt.pk for attempt in attempts}
        waiting = {*unknown, *(result.prepared.attempt_id for result in rest)}
        if all(_is_old(entries[id]) for id in waiting):
            path.unlink()


def _record(
    entries: Mapping[uuid.UUID, Mapping[str, Any]], attempts: Iterable[Attempt]
) -> list[Result]:
    """Write down the answers to these attempts; return those that could not be."""
    results = list(_results(entries, attempts))
    rest = outcomes.record(results)
    if results:
        flush()
        logger.warning(
            "journal.replayed",
            attempt_ids=[result.prepared.attempt_id for result in results],
        )
    return rest


def _is_old(entry: Mapping[str, Any]) -> bool:
    """Whether it is not waited for any more; what does not say how old it is, neither."""
    try:
        at = datetime.fromisoformat(entry["at"])
        return at < database_clock.now() - KEPT
    except (KeyError, TypeError, ValueError):
        return True


def _new_file() -> FileIO:
    """A file that only this process has, and only its user may read."""
    folder = Path(settings.JOURNAL_DIR)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    while True:
        path = folder / f"{uuid.uuid4().hex}{SUFFIX}"
        file = FileIO(str(path), "ab", opener=_private)
        fcntl.flock(file, fcntl.LOCK_EX)
        # Before it was locked somebody may have found it, empty.
        if os.fstat(file.fileno()).st_nlink:
            return file
        file.close()


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _entry(result: Result) -> dict[str, Any]:
    """What the record of an answer needs, and the database does not know."""
    verdict, prepared = result.verdict, result.prepared
    entry: dict[str, Any] = {
        "attempt": prepared.attempt_id.hex,
        # Not the claim's: a batch may have been written first days ago.
        "at": database_clock.reckoned(),
        "outcome": verdict.outcome,
        "status": result.status,
        "message": verdict.message,
        "ms": result.duration_ms,
        "head": result.response_head,
    }
    if prepared.notes:
        entry["left_out"] = list(prepared.notes.items())
    if synced := prepared.synced:
        entry["synced"] = recording.as_json(synced)
    if not result.is_accepted_whole:
        entry |= {
            "errors": [[e.array, e.index, e.message] for e in verdict.errors],
            "owners": {
                array: list(prepared.packed.owners.get(array, ()))
                for array in {e.array for e in verdict.errors}
            },
            "doubt": verdict.doubt,
            "note": verdict.note,
            "advice": result.advice,
        }
    return entry


def _attempts(ids: Iterable[uuid.UUID]) -> QuerySet[Attempt]:
    known = Attempt.objects.select_related(
        "batch__run__engagement", "batch__run__version__connection"
    )
    return known.filter(pk__in=ids)


def _overdue(attempts: QuerySet[Attempt]) -> QuerySet[Attempt]:
    """Of those that nobody has written down, who will be called ambiguous next."""
    return attempts.filter(
        outcome=Attempt.Outcome.UNFINISHED,
        batch__state=Batch.State.SENDING,
        batch__lease_until__lt=database_clock.now(),
    )


def _results(
    entries: Mapping[uuid.UUID, Mapping[str, Any]], attempts: Iterable[Attempt]
) -> Iterator[Result]:
    for attempt in attempts:
        entry = entries[attempt.pk]
        try:
            yield _result(entry, _prepared(entry, attempt))
        except (KeyError, TypeError, ValueError) as e:
            logger.warning("journal.unreadable", attempt_id=attempt.pk, because=e)


def _entries(text: bytes) -> Iterator[tuple[uuid.UUID, dict[str, Any]]]:
    """By attempt; what was cut off on its way to the disk is none."""
    for line in text.split(b"\n"):
        with suppress(KeyError, TypeError, ValueError, AttributeError):
            entry = orjson.loads(line)
            yield uuid.UUID(entry["attempt"]), entry


def _prepared(entry: Mapping[str, Any], attempt: Attempt) -> PreparedRequest:
    """As much of the request as its answer is about."""
    batch, run = attempt.batch, attempt.batch.run
    # What it was sent with; there may be another key by now.
    run.version.connection.key_version = attempt.key_version
    return PreparedRequest(
        attempt_id=attempt.pk,
        claim=Claim(
            batch_id=batch.pk,
            run_id=run.pk,
            token=attempt.pk,
            profile_ids=batch.profile_ids,
            event_ids=batch.event_ids,
            transition_ids=batch.transition_ids,
            left_out=batch.left_out,
            stamp="",
            is_suspect=False,
            is_standing=run.is_standing,
            now=attempt.started_at,
        ),
        run=run,
        key="",
        places=[n for n in range(len(batch.profile_ids)) if n not in attempt.left_out],
        skipped={},
        packed=Packed(body=b"", item_count=0, owners=entry.get("owners", {})),
        notes=dict(entry.get("left_out", ())),
        synced=recording.from_json(entry["synced"]) if "synced" in entry else None,
    )


def _result(entry: Mapping[str, Any], prepared: PreparedRequest) -> Result:
    return Result(
        prepared=prepared,
        verdict=Verdict(
            outcome=Outcome(entry["outcome"]),
            errors=tuple(
                ItemError(array=array, index=index, message=message)
                for array, index, message in entry.get("errors", ())
            ),
            message=entry["message"],
            doubt=entry.get("doubt", ""),
            note=entry.get("note", ""),
        ),
        status=entry["status"],
        duration_ms=entry["ms"],
        response_head=entry["head"],
        advice=entry.get("advice", ""),
    )


def _warn(error: Exception) -> None:
    global _has_warned
    if not _has_warned:
        logger.warning("journal.broken", setting="JOURNAL_DIR", because=error)
    _has_warned = True
