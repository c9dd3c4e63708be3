"""What somebody does with an import: map it, check it, start, pause, resume, cancel."""

from collections.abc import Sequence
from typing import Any

from django.db import transaction
from django.db.models import F

from lemnisk_braze.lib import database_clock
from segments import wakeup
from segments.imports import checking, runner
from segments.imports.mapping.messages import Plan
from segments.models import Import, Source

State = Import.State
# In which states each of them may be done.
CHECKABLE = (State.UPLOADED, State.READY, State.CHECKING)
STARTABLE = (State.READY,)
PAUSABLE = (State.CHECKING, State.RUNNING)
RESUMABLE = (State.PAUSED, State.FAILED)
CANCELLABLE = (
    *Import.WORKING,
    State.UPLOADED,
    State.READY,
    State.PAUSED,
    State.FAILED,
)


def check(imported: Import, plan: Plan, source: Source) -> bool:
    """Have it counted what the import would do as `plan` says; whether it could."""
    with transaction.atomic():
        checking.forget(imported)
        imported.bad_rows.all().delete()
        return _move(
            imported,
            CHECKABLE,
            **runner.start(State.CHECKING, database_clock.now()),
            plan=plan.as_json(),
            source=source,
            found={},
        )


def start(imported: Import) -> bool:
    """Have it imported as it was checked."""
    with transaction.atomic():
        imported.bad_rows.all().delete()
        now = database_clock.now()
        began = runner.start(State.RUNNING, now)
        return _move(imported, STARTABLE, **began, started_at=now)


def start_unchecked(imported: Import, plan: Plan, source: Source) -> bool:
    """Have it imported as `plan` says, without counting before what it would do."""
    with transaction.atomic():
        imported.bad_rows.all().delete()
        now = database_clock.now()
        return _move(
            imported,
            (State.UPLOADED, State.READY),
            **runner.start(State.RUNNING, now),
            started_at=now,
            plan=plan.as_json(),
            source=source,
            found={},
        )


def pause(imported: Import) -> bool:
    return _move(imported, PAUSABLE, state=State.PAUSED, phase=F("state"))


def resume(imported: Import) -> bool:
    """Go on where it was paused, or has failed."""
    with transaction.atomic():
        held = Import.objects.select_for_update().get(pk=imported.pk)
        if not held.phase:
            return False
        return _move(
            imported,
            RESUMABLE,
            state=held.phase,
            phase="",
            problem="",
            phase_at=database_clock.now(),
            phase_from=held.read,
        )


def cancel(imported: Import) -> bool:
    """End it where it is: what is in the inbox already stays."""
    with transaction.atomic():
        checking.forget(imported)
        return _move(
            imported,
            CANCELLABLE,
            state=State.CANCELLED,
            finished_at=database_clock.now(),
        )


def _move(imported: Import, states: Sequence[str], **fields: Any) -> bool:
    """Change it where it still is in one of the states; wake a worker where one works."""
    rows = Import.objects.filter(pk=imported.pk, state__in=states)
    # Whoever works at it finds another token and stops.
    moved = rows.update(
        **fields,
        token=F("token") + 1,
        held_until=None,
        changed_at=database_clock.now(),
    )
    imported.refresh_from_db()
    if moved and imported.state in Import.WORKING:
        transaction.on_commit(lambda: wakeup.run_import(imported.pk))
    return bool(moved)
