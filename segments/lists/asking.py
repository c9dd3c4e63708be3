"""Lists kept by a database: a query is asked, and what it gives is an upload.

Its rows become a file, and the file an upload that replaces the list: read in pieces,
resumed after a kill, each row with what it comes to; until all of it is there the list is
what it was. An upload writes itself, but for the first one after somebody has changed
what is asked.
"""

from itertools import chain

from django.db import transaction

from lemnisk_braze.lib import database_clock, sealing
from lemnisk_braze.lib.logs import get_logger
from segments import wakeup
from segments.imports import leases, storing
from segments.imports.feeding import address, databases
from segments.imports.reading.rows import FileError
from segments.lists import reading, runner
from segments.models import ListFeed, ListUpload

logger = get_logger(__name__)

State = ListUpload.State
UNFINISHED = (*ListUpload.WORKING, State.UPLOADED, State.READY)


def wake_due() -> int:
    """Wake workers for what is due; return how many. The tick's work."""
    ids = leases.due(ListFeed.objects.all())
    for pk in ids:
        wakeup.ask_for_list(pk)
    return len(ids)


def ask(feed_id: int, *, by_hand: bool = False) -> ListUpload | None:
    """Ask its database now; None where it is not due, another asks, or it went wrong.

    What went wrong stands in its `problem`, and the list stays as it is.
    """
    if not leases.take_due(ListFeed, feed_id, by_hand=by_hand):
        return None
    feed = ListFeed.objects.select_related("of", "source").get(pk=feed_id)
    problem, begun = "", None
    try:
        begun = _ask(feed)
    except (
        sealing.SealError,
        address.AddressError,
        databases.QueryError,
        FileError,
    ) as e:
        problem = str(e)
    finally:
        # Also where a worker is told to stop.
        ListFeed.objects.filter(pk=feed_id).update(
            problem=problem, held_until=None, asked_at=database_clock.now()
        )
    if problem:
        logger.warning("list.not_asked", feed_id=feed_id, because=problem)
    return begun


def writes_itself(feed: ListFeed) -> bool:
    """Whether somebody has seen what is asked now, or nobody has changed it."""
    if feed.changed_at is None:
        return True
    done = feed.of.uploads.filter(state=State.DONE)
    return done.filter(created_at__gt=feed.changed_at).exists()


def _ask(feed: ListFeed) -> ListUpload:
    if feed.of.uploads.filter(state__in=UNFINISHED).exists():
        raise FileError(
            "What came before is not written yet, or waits for a decision: see the list."
        )
    dsn = sealing.unseal(feed.source, feed.source.address_encrypted)
    with databases.opened(feed.source.kind, dsn, feed.query, "") as rows:
        lines = rows.lines()
        first = next(lines, None)
        if first is None:
            raise FileError(
                "The query gave no rows, which is taken for a mistake: the list stays as"
                " it was."
            )
        taken = reading.take(
            f"{feed.of.name}.jsonl", chain([first], lines), feed.of.kind
        )
    columns = taken.format.columns
    if feed.column not in columns:
        storing.drop(ListUpload(path=taken.path))
        raise FileError(f"The query has no column “{feed.column}”.")
    with transaction.atomic():
        upload = reading.upload_of(taken, of=feed.of, mode=ListUpload.Mode.REPLACE)
        upload.state = State.READING
        upload.column, upload.has_names = columns.index(feed.column), True
        upload.writes_itself = writes_itself(feed)
        ListFeed.objects.filter(pk=feed.pk).update(last_rows=rows.count)
        runner.begin(upload)
    return upload
