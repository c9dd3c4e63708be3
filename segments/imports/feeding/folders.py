"""Watched folders: files that somebody puts there are imported, each content once.

A file is whole when it is the same at two looks of the tick; whoever writes slowly
writes to a name that begins with a dot or ends with .part or .tmp, and renames it. What
was imported goes into `done`, what could not be into `failed`; that is decided by the
imports alone, so a kill between any two steps does nothing twice.
"""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings
from django.db import transaction

from lemnisk_braze.lib import database_clock
from lemnisk_braze.lib.logs import get_logger
from segments.imports import storing
from segments.imports.feeding import automatic
from segments.imports.mapping.naming import NamingError
from segments.imports.reading.rows import FileError
from segments.models import Import, WatchedFolder

logger = get_logger(__name__)

DONE, FAILED = "done", "failed"
UNFINISHED = (".part", ".tmp", ".crdownload", ".filepart")
# Of one folder, at one look.
MOST_FILES = 100
Seen = dict[str, list[object]]


class FolderError(Exception):
    """The folder cannot be watched; the message says why."""


def look_at_all() -> int:
    """Look into each folder; return how many files were taken. The tick's work."""
    count = 0
    for pk in WatchedFolder.objects.filter(is_active=True).values_list("pk", flat=True):
        with transaction.atomic():
            rows = WatchedFolder.objects.select_for_update(skip_locked=True)
            folder = rows.select_related("source").filter(pk=pk).first()
            if folder is not None:
                count += _look(folder)
    return count


def allowed(path: str) -> Path:
    """The folder, which is one of IMPORT_FROM or in it; raises FolderError."""
    asked = Path(path)
    if not asked.is_absolute():
        raise FolderError("Write the whole path, from / on.")
    real = Path(os.path.realpath(asked))
    roots = [Path(os.path.realpath(root)) for root in settings.IMPORT_FROM]
    if not any(real == root or root in real.parents for root in roots):
        raise FolderError(
            "This is in none of the folders that IMPORT_FROM names (the operator’s"
            " settings)."
        )
    return real


def _look(folder: WatchedFolder) -> int:
    """Take what is whole, move what is done with; note what is wrong."""
    count, problem = 0, ""
    seen: Seen = {}
    try:
        root = allowed(folder.path)
        for file in _files(root):
            try:
                count += _meet(folder, root, file, seen)
            except (FileError, NamingError) as e:
                problem = f"{file.name}: {e}"
                _move(file, root / FAILED)
    except (OSError, FolderError) as e:
        problem = getattr(e, "strerror", None) or str(e)
        logger.warning("folder.problem", folder_id=folder.pk, because=e)
    kept = problem or ("" if count else folder.problem)
    if not problem and not seen:
        kept = folder.problem
    WatchedFolder.objects.filter(pk=folder.pk).update(
        seen=seen, problem=kept, looked_at=database_clock.now()
    )
    return count


def _meet(folder: WatchedFolder, root: Path, file: Path, seen: Seen) -> bool:
    """Whether the file was taken now."""
    status = file.stat()
    now: list[object] = [status.st_size, status.st_mtime_ns]
    before = folder.seen.get(file.name)
    if before is None or before[:2] != now:
        seen[file.name] = [*now, ""]
        return False
    storing.check_size(status.st_size)
    digest = before[2] or _digest(file)
    same = Import.objects.filter(folder=folder, digest=digest).order_by("-pk").first()
    if same is None:
        seen[file.name] = [*now, digest]
        _take(folder, file)
        return True
    if same.state in (Import.State.DONE, Import.State.CANCELLED, Import.State.FAILED):
        is_done = same.state == Import.State.DONE
        _move(file, root / (DONE if is_done else FAILED))
    else:
        seen[file.name] = [*now, digest]
    return False


def _take(folder: WatchedFolder, file: Path) -> None:
    said = automatic.said_of(folder)
    with file.open("rb") as stream:
        taken = storing.take(file.name, storing.blocks(stream))
    if taken.state != Import.State.READING:
        raise FileError(storing.untold_encoding(taken))
    automatic.begin(taken, folder, said)
    logger.info("folder.took", folder_id=folder.pk, import_id=taken.pk)


def _files(root: Path) -> Iterator[Path]:
    """The files that may be whole, in order of their names."""
    names = sorted(
        entry.name
        for entry in os.scandir(root)
        if entry.is_file(follow_symlinks=False)
        and not entry.name.startswith(".")
        and not entry.name.lower().endswith(UNFINISHED)
    )
    return (root / name for name in names[:MOST_FILES])


def _move(file: Path, to: Path) -> None:
    """Move it under its name, or with a number where there is one of that name."""
    to.mkdir(exist_ok=True)
    target, number = to / file.name, 1
    while target.exists():
        number += 1
        target = to / f"{file.stem}-{number}{file.suffix}"
    file.rename(target)


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
