"""SQL sources: what a query gives becomes a file, and the file an import.

So rows stand still while they are imported, however often a worker is killed; and the
watermark moves on when the import is done, not before.
"""

from itertools import chain
from typing import Any

from django.db import transaction

from lemnisk_braze.lib import database_clock, sealing
from lemnisk_braze.lib.logs import get_logger
from segments import wakeup
from segments.imports import leases, storing
from segments.imports.feeding import address, automatic, databases, watermark
from segments.imports.mapping import messages
from segments.imports.mapping.naming import NamingError
from segments.imports.reading.rows import FileError
from segments.models import Import, SourceQuery

logger = get_logger(__name__)

State = Import.State
UNFINISHED = (*Import.WORKING, State.PAUSED)


def set_address(query: SourceQuery, text: str) -> None:
    """Keep the address of a (saved) query's database; raises AddressError."""
    shown = address.check(query.kind, text)
    query.address_encrypted = sealing.seal(query, text)
    query.address_shown = shown
    query.save(update_fields=["address_encrypted", "address_shown"])


def wake_due() -> int:
    """Wake workers for what is due; return how many. The tick's work."""
    ids = leases.due(SourceQuery.objects.filter(is_active=True))
    for pk in ids:
        wakeup.run_query(pk)
    return len(ids)


def run(query_id: int, *, by_hand: bool = False) -> Import | None:
    """Ask it now; None where nothing is new, another asks, or it went wrong.

    What went wrong stands in its `problem`.
    """
    if not leases.take_due(SourceQuery, query_id, by_hand=by_hand, only="is_active"):
        return None
    query = SourceQuery.objects.select_related("source").get(pk=query_id)
    problem, taken = "", None
    try:
        taken = _ask(query)
    except sealing.SealError as e:
        problem = str(e)
    except (address.AddressError, databases.QueryError, FileError, NamingError) as e:
        problem = str(e)
    finally:
        # Also where a worker is told to stop.
        _give_back(query_id, problem)
    if problem:
        logger.warning("query.failed", query_id=query_id, because=problem)
    return taken


def _ask(query: SourceQuery) -> Import | None:
    if Import.objects.filter(query=query, state__in=UNFINISHED).exists():
        raise FileError("What it gave before is not all in yet; it waits for that.")
    said = automatic.said_of(query)
    statement = watermark.statement(
        query.query, query.watermark_column, query.watermark, query.look_back
    )
    dsn = sealing.unseal(query, query.address_encrypted)
    with databases.opened(query.kind, dsn, statement, query.watermark_column) as rows:
        lines = rows.lines()
        first = next(lines, None)
        SourceQuery.objects.filter(pk=query.pk).update(last_rows=0)
        if first is None:
            return None
        taken = storing.take(f"{query.name}.jsonl", chain([first], lines))
    found = watermark.of(rows.largest)
    _say_when(said, query, found)
    # (P) Where all rows have no watermark, the old one stays.
    taken.watermark = found or query.watermark
    with transaction.atomic():
        SourceQuery.objects.filter(pk=query.pk).update(last_rows=rows.count)
        automatic.begin(taken, query, said)
    return taken


def _say_when(
    said: automatic.Said, query: SourceQuery, found: watermark.Watermark | None
) -> None:
    """A row that comes again is as old as it says: newer calls are not overwritten."""
    is_time = (
        bool(found)
        and found is not None
        and found[0]
        in (
            watermark.TIME,
            watermark.LOCAL_TIME,
        )
    )
    if is_time and messages.TIME not in said["columns"].values():
        said["columns"].setdefault(query.watermark_column, messages.TIME)


def _give_back(query_id: int, problem: str) -> None:
    values: dict[str, Any] = {"problem": problem, "held_until": None}
    SourceQuery.objects.filter(pk=query_id).update(
        **values, looked_at=database_clock.now()
    )
