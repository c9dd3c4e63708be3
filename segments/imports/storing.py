"""The file of an import: taken in, recognized, and deleted when its time is over."""

import hashlib
import re
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from django.conf import settings
from django.db import transaction

from lemnisk_braze.lib.logs import get_logger
from lemnisk_braze.lib.names import visible
from segments import wakeup
from segments.imports.reading import encodings, formats
from segments.imports.reading.encodings import Candidate
from segments.imports.reading.formats import Format
from segments.imports.reading.rows import FileError, Position, Reader
from segments.models import Import, ListUpload

logger = get_logger(__name__)

BLOCK = 1 << 20
_OWN_NAME = re.compile(r"[0-9a-f]{32}")
State = Import.State


class Kept(Protocol):
    """What has a file under IMPORT_DIR, by its name there."""

    path: str


def take(name: str, blocks: Iterable[bytes]) -> Import:
    """Keep a file as a new (unsaved) import; raises FileError, having kept nothing."""
    settings.IMPORT_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = uuid.uuid4().hex
    digest, size = hashlib.sha256(), 0
    try:
        with _of(path).open("xb") as target:
            for block in blocks:
                size += len(block)
                check_size(size)
                digest.update(block)
                target.write(block)
            _of(path).chmod(0o600)
        shown = visible(Path(name).name).strip()[-255:] or "file"
        taken = Import(name=shown, path=path, size=size, digest=digest.hexdigest())
        _recognize(taken)
    except BaseException:
        # Also where a query ends in the middle, or whoever uploads it goes away.
        _of(path).unlink(missing_ok=True)
        raise
    return taken


def check_size(size: int) -> None:
    """Raise FileError for a file of so many bytes, where that is too many."""
    if size > settings.IMPORT_MAX_BYTES:
        raise FileError(f"A file has at most {most_megabytes():,} MB. Split it.")


def blocks(stream: BinaryIO) -> Iterable[bytes]:
    """All of a stream, a piece at a time."""
    while block := stream.read(BLOCK):
        yield block


def _recognize(taken: Import) -> None:
    with _of(taken.path).open("rb") as stream:
        if not formats.is_text(stream):
            taken.state = State.READING
            return
        encoding = encodings.recognize(stream)
    if encoding:
        set_encoding(taken, encoding)


def untold_encoding(taken: Import) -> str:
    """Delete the file of an (unsaved) import whose encoding nobody can tell; say so."""
    _of(taken.path).unlink(missing_ok=True)
    return "Its encoding cannot be told. Save it in UTF-8."


def set_encoding(taken: Import, encoding: str) -> None:
    """Have it read in this encoding; raises FileError where that cannot be.

    Afterwards the file is in UTF-8, and its columns can be read.
    """
    with _of(taken.path).open("rb") as source:
        if encodings.is_plain(source, encoding):
            formats.recognize(source)
        else:
            _rewrite(taken, source, encoding)
    taken.encoding = encoding
    taken.state = State.READING


def _rewrite(taken: Import, source: BinaryIO, encoding: str) -> None:
    """Put a file in UTF-8 in the place of its own; raises FileError, having kept it."""
    plain = uuid.uuid4().hex
    try:
        with _of(plain).open("xb") as target:
            encodings.to_utf8(source, target, encoding)
        with _of(plain).open("rb") as stream:
            formats.recognize(stream)
    except BaseException:
        _of(plain).unlink(missing_ok=True)
        raise
    _of(taken.path).unlink()
    taken.path = plain


def most_megabytes() -> int:
    return int(settings.IMPORT_MAX_BYTES) >> 20


def candidates(waiting: Import) -> list[Candidate]:
    """What somebody is asked who has to say the encoding; raises FileError."""
    with stream_of(waiting) as stream:
        return encodings.candidates(stream)


def format_of(imported: Import) -> Format:
    """Its format, from its first rows where it is not noted; raises FileError."""
    if imported.format:
        kept = imported.format
        return Format(**{**kept, "columns": tuple(kept["columns"])})
    with stream_of(imported) as stream:
        return formats.recognize(stream)


def note_format(imported: Import, format: Format, columns: Sequence[str]) -> None:
    imported.format = {**asdict(format), "columns": list(columns)}


def reader_of(imported: Import, stream: BinaryIO) -> Reader:
    """Its rows from where it was left off; raises FileError."""
    position = Position(imported.offset, imported.line)
    finds = imported.state == State.READING
    return formats.open_rows(stream, format_of(imported), position, finds)


def stream_of(kept: Kept) -> BinaryIO:
    """Its file; raises FileError where that is not to be had."""
    try:
        return _of(kept.path).open("rb")
    except OSError as e:
        raise FileError(
            "The file is not there any more, or not on this machine: web servers and"
            " workers need the same IMPORT_DIR."
        ) from e


def begin(taken: Import) -> None:
    """Save a new import, and have a worker go on with it where it can."""
    taken.save()
    if taken.state in Import.WORKING:
        transaction.on_commit(lambda: wakeup.run_import(taken.pk))


def clean(before: datetime) -> int:
    """Delete files, bad rows and all, of what ended before a time; return how many."""
    ended = (State.DONE, State.FAILED, State.CANCELLED, State.UPLOADED, State.READY)
    old = Import.objects.filter(state__in=ended, changed_at__lt=before)
    count = 0
    for imported in old.exclude(path="")[:100]:
        forget(imported)
        count += 1
    return count


def clean_left_behind(before: datetime) -> int:
    """Delete files that are nobody's, written before a time; return how many.

    Whoever takes a file in has no row of it yet, and may be killed. `before` leaves
    them time for that, even where the clock of the files is hours off.
    """
    names = list(_written_before(before))
    kept = {
        path
        for model in (Import, ListUpload)
        for path in model.objects.filter(path__in=names).values_list("path", flat=True)
    }
    left = [name for name in names if name not in kept]
    for name in left:
        _of(name).unlink(missing_ok=True)
    if left:
        logger.warning("imports.left_behind", files=len(left))
    return len(left)


def _written_before(before: datetime) -> Iterator[str]:
    """The names of our own files."""
    folder = Path(settings.IMPORT_DIR)
    for file in folder.iterdir() if folder.is_dir() else ():
        # Another may just have deleted it.
        with suppress(FileNotFoundError):
            is_old = file.lstat().st_mtime < before.timestamp()
            if is_old and _OWN_NAME.fullmatch(file.name) and file.is_file():
                yield file.name


def forget(imported: Import) -> None:
    """Delete what it holds of people: its file, its bad rows, its examples."""
    with transaction.atomic():
        imported.bad_rows.all().delete()
        forget_file(imported)


def forget_file(imported: Import) -> None:
    """Delete its file and its examples; its bad rows stay."""
    path, columns = imported.path, without_examples(imported)
    Import.objects.filter(pk=imported.pk).update(path="", columns=columns)
    if path:
        # Not after the commit: of a kill in between a file would be left, and nobody's.
        _of(path).unlink(missing_ok=True)


def drop(kept: Kept) -> None:
    """Delete a file that nobody needs any more."""
    if kept.path:
        _of(kept.path).unlink(missing_ok=True)


def without_examples(imported: Import) -> list[dict[str, Any]]:
    """What is noted of its columns, without what stood in them."""
    return [{**column, "examples": [], "against": {}} for column in imported.columns]


def _of(path: str) -> Path:
    return Path(settings.IMPORT_DIR) / path
