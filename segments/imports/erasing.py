"""Files that name somebody who is erased, and what is noted of such files.

The file of an import that has ended is of no use to anybody and goes. One at work is
waited for: what it still says of them is refused. What nobody has started yet goes with
a word to whoever brought it: it may come again, and bring in everybody else.
"""

import mmap

from django.db import connection

from segments.imports import checking, storing
from segments.imports.reading.rows import FileError
from segments.models import FoundPerson, Import, SourceQuery, WatchedFolder
from segments.privacy.naming import Named
from segments.privacy.places import LaterError, Place, rewritten, rows

State = Import.State
AT_WORK = (*Import.WORKING, State.PAUSED)
WAITING = (State.UPLOADED, State.READY)
NOTED = ("columns", "found", "plan")
GONE = (
    "Somebody in this file was erased, and the file with them. Import it again: what it"
    " says of them is kept out."
)


def _forget_files(named: Named) -> int:
    """Delete the files that name them, or may; return how many.

    Raises LaterError where one is being imported.
    """
    count, later = 0, []
    for imported in Import.objects.exclude(path="").order_by("pk"):
        if not _names(imported, named):
            continue
        if imported.state in AT_WORK:
            later.append(f"“{imported}” is still being imported.")
            continue
        storing.forget_file(imported)
        if imported.state in WAITING:
            Import.objects.filter(pk=imported.pk).update(
                state=State.FAILED, phase="", problem=GONE
            )
        count += 1
    if later:
        raise LaterError(" ".join(later))
    return count


def _forget_examples(named: Named) -> int:
    found = rows(Import, NOTED, named)
    for imported in Import.objects.filter(pk__in=found):
        columns = storing.without_examples(imported)
        Import.objects.filter(pk=imported.pk).update(columns=columns)
    return len(found)


def _forget_found(named: Named) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM segments_foundperson WHERE key = ANY(%s::bigint[])",
            [checking.hashes(named.people, named.keys)],
        )
        return int(cursor.rowcount)


def _names(imported: Import, named: Named) -> bool:
    if named.scan is None:
        return False
    if imported.format.get("kind") == "parquet" or not imported.encoding:
        # What is compressed, or in nobody knows which encoding, cannot be searched.
        return True
    try:
        with storing.stream_of(imported) as stream:
            if not imported.size:
                return False
            with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as text:
                return named.scan.search(text) is not None
    except FileError:
        # It is not there any more.
        return False


PLACES = (
    Place(label="files of imports", columns={}, forget=_forget_files),
    Place(
        label="examples of imports", columns={Import: NOTED}, forget=_forget_examples
    ),
    Place(
        label="people found by checks of imports",
        columns={FoundPerson: ["key", "changes"]},
        forget=_forget_found,
    ),
    rewritten(Import, "problems of imports", "problem"),
    rewritten(WatchedFolder, "problems of watched folders", "problem"),
    rewritten(SourceQuery, "problems of SQL sources", "problem"),
)
