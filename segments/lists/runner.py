"""Work at an upload: a piece of its file at a time, then what all of it comes to.

The transaction that keeps a piece's lines also notes that the file was read so far, and
does so only for the holder of the row's lease (segments.imports.leases).
"""

import time
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, Q

from lemnisk_braze.lib import database_clock
from lemnisk_braze.lib.logs import get_logger
from segments import wakeup
from segments.imports import leases, storing
from segments.lists import changes, reading
from segments.models import ListUpload, UploadedList

logger = get_logger(__name__)

State = ListUpload.State
# In seconds: one turn of a worker, which then looks at what else there is.
TURN = 5.0
# All of a large file at once: what it comes to, or the list itself, is one statement.
LONG_LEASE = timedelta(minutes=10)
CANCELLABLE = (State.UPLOADED, State.READING, State.READY, State.FAILED)


def begin(upload: ListUpload) -> None:
    """Save a new upload, and have a worker go on with it."""
    upload.save()
    if upload.state in ListUpload.WORKING:
        transaction.on_commit(lambda: wakeup.run_list_upload(upload.pk))


def turn(upload_id: int, seconds: float = TURN) -> bool:
    """Go on with it for so long; whether more is left to be done at once."""
    deadline = time.monotonic() + seconds

    def log() -> None:
        logger.exception("list.failed", upload_id=upload_id)

    with leases.held(ListUpload, upload_id, _fail, log) as token:
        return token is not None and _work(upload_id, token, deadline)
    return False


def wake_waiting() -> int:
    """Wake workers for what is to go on and is in nobody's hands; return how many."""
    ids = leases.waiting(ListUpload)
    for upload_id in ids:
        wakeup.run_list_upload(upload_id)
    return len(ids)


def say_column(upload: ListUpload, column: int, *, has_names: bool = True) -> bool:
    """Have it read by this column; whether it still waited for one.

    `has_names`: the first row is one of names.
    """
    said = {"column": column, "has_names": has_names}
    moved = _move(upload, (State.UPLOADED,), state=State.READING, **said)
    if moved:
        transaction.on_commit(lambda: wakeup.run_list_upload(upload.pk))
    return moved


def write(upload: ListUpload) -> bool:
    """Have the list written; whether it still waited for that."""
    moved = _move(upload, (State.READY,), state=State.WRITING)
    if moved:
        transaction.on_commit(lambda: wakeup.run_list_upload(upload.pk))
    return moved


def look_again(upload: ListUpload) -> None:
    """Have it looked through anew, since what it would do is another now."""
    if _move(upload, (State.READY,), state=State.READING):
        transaction.on_commit(lambda: wakeup.run_list_upload(upload.pk))


def cancel(upload: ListUpload) -> bool:
    """Leave the list as it is; whether it could still be."""
    with transaction.atomic():
        kept = ListUpload(path=upload.path)
        moved = _move(
            upload,
            CANCELLABLE,
            state=State.CANCELLED,
            path="",
            format=reading.without_columns(upload),
            sample={},
        )
        if moved:
            changes.forget_lines([upload.pk])
            storing.drop(kept)
    return moved


def clean(before: datetime) -> int:
    """Forget the rows and files of what rests since before a time; return how many.

    What waited for somebody is cancelled by that.
    """
    resting = (State.UPLOADED, State.READY, State.DONE, State.FAILED)
    old = ListUpload.objects.filter(state__in=resting, changed_at__lt=before)
    old = old.filter(Q(lines__isnull=False) | ~Q(path="")).distinct()
    count = 0
    for upload in old[:100]:
        if upload.state in (State.UPLOADED, State.READY):
            cancel(upload)
            continue
        with transaction.atomic():
            changes.forget_lines([upload.pk])
            ListUpload.objects.filter(pk=upload.pk).update(path="")
            storing.drop(upload)
        count += 1
    return count


def _work(upload_id: int, token: int, deadline: float) -> bool:
    """Whether time was up before the work was."""
    while time.monotonic() < deadline:
        upload = ListUpload.objects.select_related("of").get(pk=upload_id)
        if upload.state not in ListUpload.WORKING:
            return False
        if upload.state == State.WRITING:
            _write(upload, token)
        elif upload.path:
            _read(upload, token, deadline)
        else:
            _look_through(upload, token)
    return True


def _read(upload: ListUpload, token: int, deadline: float) -> None:
    """Until the end of the file, or the deadline."""
    with storing.stream_of(upload) as stream:
        reader = reading.reader_of(upload, stream)
        rows = reading.first_row(upload, reader)
        while time.monotonic() < deadline:
            rows += reader.read(reading.PIECE)
            noted: dict[str, Any] = {}
            if not rows:
                noted = {"path": "", "format": reading.without_columns(upload)}
            with transaction.atomic():
                if rows:
                    reading.keep(upload, rows)
                _note(
                    upload,
                    token,
                    rows=F("rows") + len(rows),
                    offset=reader.position.offset,
                    line=reader.position.line,
                    held_until=database_clock.now() + leases.LEASE,
                    **noted,
                )
                if not rows:
                    # Not after the commit: of a kill in between a file would be left.
                    storing.drop(upload)
            if not rows:
                return
            rows = []


def _look_through(upload: ListUpload, token: int) -> None:
    """Say of each line what it comes to."""
    _note(upload, token, held_until=database_clock.now() + LONG_LEASE)
    with transaction.atomic():
        found, going = changes.look_through(upload)
        sample = changes.sample(upload)
        state = State.WRITING if upload.writes_itself else State.READY
        _note(upload, token, state=state, found=found, going=going, sample=sample)
    logger.info("list.read", upload_id=upload.pk, rows=upload.rows)


def _write(upload: ListUpload, token: int) -> None:
    _note(upload, token, held_until=database_clock.now() + LONG_LEASE)
    with transaction.atomic():
        # Before its lines are asked: whoever else writes this list has ended.
        UploadedList.objects.select_for_update().get(pk=upload.of_id)
        found, going = changes.look_through(upload)
        changes.write(upload)
        _note(
            upload,
            token,
            state=State.DONE,
            found=found,
            going=going,
            sample={},
            finished_at=database_clock.now(),
        )
    logger.info("list.written", upload_id=upload.pk, list_id=upload.of_id)


def _note(upload: ListUpload, token: int, **fields: Any) -> None:
    held = ListUpload.objects.filter(pk=upload.pk, token=token, state=upload.state)
    if not held.update(**fields, changed_at=database_clock.now()):
        raise leases.LostError


def _move(upload: ListUpload, states: tuple[str, ...], **fields: Any) -> bool:
    """Change it where it still is in one of the states."""
    rows = ListUpload.objects.filter(pk=upload.pk, state__in=states)
    # Whoever works at it finds another token and stops.
    moved = rows.update(
        **fields,
        token=F("token") + 1,
        held_until=None,
        problem="",
        changed_at=database_clock.now(),
    )
    upload.refresh_from_db()
    return bool(moved)


def _fail(upload_id: int, token: int, words: str) -> None:
    held = ListUpload.objects.filter(pk=upload_id, token=token)
    held.filter(state__in=ListUpload.WORKING).update(
        state=State.FAILED, problem=words, changed_at=database_clock.now()
    )
