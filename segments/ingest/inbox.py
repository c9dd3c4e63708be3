"""The inbox: requests that the tracking API accepted become people, events, entries.

One worker at a time (an advisory lock: the lane), in order of arrival, in sets: a chunk
of messages costs about a dozen statements, whatever it holds. One transaction takes a
chunk out of the inbox and writes all that it says, so that a crash anywhere leaves both
or neither. A message that cannot be applied is found by halves, is kept with its reason,
and does not stop the others.
"""

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.db import Error, connection, transaction

from lemnisk_braze.lib.database_errors import (
    TOO_LONG,
    About,
    about,
    is_in_the_way,
    sqlstate,
)
from lemnisk_braze.lib.logs import get_logger
from segments.dictionary import expecting
from segments.ingest import applying, garbage, latest, names, refused, requests, seen
from segments.ingest.isolation import Isolation
from segments.ingest.message import Refusal
from segments.ingest.requests import Chunk
from segments.models import InboxRequest, Source
from segments.models.copying import number_array

logger = get_logger(__name__)

CHUNK = 5_000
SMALL_CHUNK = 100
SECONDS = 45
# In seconds, for one statement. Somebody else's lock is not waited for while others
# could be sent to; what many messages cannot do in that time, each may try alone.
LOCK_WAIT = 0.2
LONGEST = 30
LONGEST_ALONE = 60
FEWER = 30
ANY_NUMBER = 1 << 20
# In seconds: after so long a message is taken in also by who leaves that to another.
TAKE_OVER = 0.05
# In seconds: how long a process leaves the inbox alone after a mistake of ours.
REST = 5
# pg_advisory_xact_lock's key: any number that nothing else here uses.
LOCK = 0x5E69_1B0C


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """How many messages became data, how many could not; whether more are waiting.

    What came before, and is sent again, is neither.
    """

    messages: int = 0
    errors: int = 0
    remains: bool = False


@dataclass(slots=True, kw_only=True)
class Care:
    """How this process goes on after a chunk that failed: with fewer, or later."""

    at_once: int = ANY_NUMBER
    rests_until: float = float("-inf")

    @property
    def is_resting(self) -> bool:
        return time.monotonic() < self.rests_until


_care = Care()


def append(
    source: Source,
    messages: Iterable[tuple[str, str, dict[str, Any]]],
    *,
    import_id: int | None = None,
) -> None:
    """Add a request's (message ID, kind, payload) in one INSERT of one row.

    They are safe when its transaction is committed. A message that came before is found
    out when it is applied. `import_id`: whose file's rows they are; what is refused of
    them keeps it.
    """
    requests.add(source, list(messages), import_id)


def apply_now(
    source: Source,
    messages: Sequence[tuple[str, str, dict[str, Any]]],
    *,
    is_new: bool = False,
    import_id: int | None = None,
) -> bool:
    """Apply a request's messages in the caller's transaction, and nothing of it waits.

    False, having done nothing, where it has to be appended: another worker is applying,
    some of the source's are waiting, or together it takes too long. Raises the
    database's error while it is away. Afterwards, when it is committed: `settle`.

    `is_new`: their IDs are the caller's, who notes in this transaction that they came.
    Then nobody has to look for them among those that were seen, nor add them there.
    """
    if _care.is_resting:
        return False
    try:
        with garbage.seldom_collected(), transaction.atomic():
            return _apply_now(source, messages, is_new=is_new, import_id=import_id)
    except Error as e:
        is_too_long = sqlstate(e) == TOO_LONG or is_in_the_way(e)
        if about(e) is About.CONNECTION and not is_too_long:
            raise
        logger.info("inbox.tried_by_fewer", messages=len(messages), because=e)
        return False


def settle() -> None:
    """Do what is due after `apply_now`: who came meanwhile found the lane taken."""
    names.add_new()
    apply_some(CHUNK)


def apply(seconds: float | None = None) -> Applied:
    """Apply what is waiting until nothing is, another worker is at it, or time is up.

    `seconds`: at most so long; SECONDS where it is left out.

    "Nothing waits" is asked with the lock released: a message that came in while this
    worker held it, and whose own wake-up therefore ended at once, is found here.
    """
    done, errors = 0, 0
    deadline = time.monotonic() + (SECONDS if seconds is None else seconds)
    while has_work():
        if time.monotonic() > deadline:
            return Applied(messages=done, errors=errors, remains=True)
        counts = _apply_next_chunk()
        if counts is None:
            break
        done, errors = done + counts[0], errors + counts[1]
    return Applied(messages=done, errors=errors)


def apply_some(size: int = SMALL_CHUNK, waited: float = 0) -> bool:
    """Apply one piece of what is waiting; False where there was none to be had.

    A small one is for a worker that has something else in hand as well; `waited`:
    where the oldest has waited for so many seconds.
    """
    return has_work(waited) and apply_next(size)


def apply_next(size: int) -> bool:
    """The same, where something is known to wait; False while another worker is at it."""
    return _apply_next_chunk(size) is not None


def has_work(waited: float = 0) -> bool:
    """Whether a message waits that this process may try now; `waited`: for so long."""
    return not _care.is_resting and is_waiting(waited)


def is_waiting(waited: float = 0) -> bool:
    """Whether a message is still to be applied; `waited`: for so many seconds."""
    with connection.cursor() as cursor:
        cursor.execute(OLDEST)
        oldest = cursor.fetchone()
    # Whatever somebody does to the database's clock: what waits is found.
    return oldest is not None and (not waited or oldest[0] >= waited)


def _apply_next_chunk(size: int | None = None) -> tuple[int, int] | None:
    """(applied, refused) of one chunk; None while another worker has the lock.

    Also None where nothing can be applied by a mistake of ours. Raises the database's
    error while it is away.
    """
    size = min(CHUNK if size is None else size, _care.at_once)
    tried: list[tuple[int, int]] = []
    try:
        with garbage.seldom_collected():
            counts = _apply_chunk(size, tried)
    except Error as e:
        return _go_on_after(e, size, tried)
    _care.at_once = min(2 * _care.at_once, ANY_NUMBER)
    names.add_new()
    return counts


def _go_on_after(
    error: Error, size: int, tried: Sequence[tuple[int, int]]
) -> tuple[int, int] | None:
    """What a chunk's error leaves to be done, as _apply_next_chunk says it."""
    code = sqlstate(error)
    if code == TOO_LONG and size == 1 and tried:
        return 0, _give_up(*tried[0], error)
    if code == TOO_LONG or is_in_the_way(error):
        logger.info("inbox.tried_by_fewer", messages=size, because=error)
        _care.at_once = max(size // FEWER, 1)
        return 0, 0
    if about(error) is About.CONNECTION:
        raise error
    logger.error("inbox.stuck", exc_info=error)
    _care.rests_until = time.monotonic() + REST
    _note(error)
    return None


def _apply_chunk(size: int, tried: list[tuple[int, int]]) -> tuple[int, int] | None:
    """The same, or its error; `tried` is told where the chunk began, before it is."""
    longest = LONGEST_ALONE if size == 1 else LONGEST
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(BEGIN, [LOCK, f"{LOCK_WAIT}s", f"{longest}s"])
        is_ours, *_, is_expecting = cursor.fetchone()
        if not is_ours:
            return None
        chunk = requests.read(size)
        if not chunk.taken:
            return 0, 0
        tried.append(chunk.began_at)
        applied, refusals = _apply(chunk, is_expecting=is_expecting)
        requests.take(chunk)
        _end(applied, refusals)
    logger.info(
        "inbox.applied",
        messages=applied.total(),
        refused=len(refusals),
        first_request_id=min(chunk.taken),
        last_request_id=max(chunk.taken),
    )
    return applied.total(), len(refusals)


def _apply_now(
    source: Source,
    messages: Sequence[tuple[str, str, dict[str, Any]]],
    *,
    is_new: bool,
    import_id: int | None,
) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(BEGIN, [LOCK, f"{LOCK_WAIT}s", f"{LONGEST}s"])
        is_ours, *_, received_at, is_expecting = cursor.fetchone()
        is_first = is_ours and not InboxRequest.objects.filter(source=source).exists()
        if is_first:
            chunk = requests.of(
                source, messages, received_at, is_new=is_new, import_id=import_id
            )
            is_first = sum(m.size for m in chunk.messages) <= requests.MOST
        if is_first:
            applied, refusals = _apply(chunk, is_expecting=is_expecting, is_new=is_new)
            _end(applied, refusals)
        # What else the caller does is not this lane's.
        cursor.execute(END)
    return is_first


def _apply(
    chunk: Chunk, *, is_expecting: bool, is_new: bool = False
) -> tuple[Counter[int], list[Refusal]]:
    """(how many of each source were applied, what was refused)."""
    fresh, refusals = (chunk.messages, []) if is_new else seen.new(chunk.messages)
    checked = expecting.check(fresh) if is_expecting else expecting.Checked()
    isolation = Isolation(act=partial(applying.apply, wrong=checked.refused))
    isolation.apply(fresh)
    errors = isolation.refused_in_the_end()
    if errors and not is_new:
        # Mended, they may come again.
        seen.forget(errors)
    refusals += chunk.refused
    refusals += (refused.by_error(m, errors[m.key]) for m in fresh if m.key in errors)
    applied = [m for m in fresh if m.key not in errors]
    latest.keep(applied)
    names.keep(applied, checked)
    return Counter(m.source_id for m in applied), refusals


def _end(applied: Counter[int], refusals: Sequence[Refusal]) -> None:
    """Keep what was refused, and count both for this minute."""
    if refusals:
        refused.keep(refusals)
    # Who was erased is kept out on purpose: nobody has to mend anything.
    errors = Counter(r.source_id for r in refusals if r.code != refused.ERASED)
    sources = sorted(applied.keys() | errors.keys())
    numbers = ([n[source] for source in sources] for n in (applied, errors))
    with connection.cursor() as cursor:
        cursor.execute(COUNT, [number_array(sources), *map(number_array, numbers)])


def _give_up(request_id: int, done: int, error: Error) -> int:
    """Refuse the message that a request goes on with; return 1.

    0 where another worker has been at it since.
    """
    with transaction.atomic():
        still = InboxRequest.objects.filter(pk=request_id, done=done)
        if not still.select_for_update().exists():
            return 0
        chunk = requests.read(1, request_id)
        refusals = [refused.by_error(m, error) for m in chunk.messages] + chunk.refused
        requests.take(chunk)
        _end(Counter(), refusals)
    return len(refusals)


def _note(error: Error) -> None:
    """Write beside the oldest request why it still waits."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(NOTE, [refused.reason(error)])
    except Error as e:
        logger.warning("inbox.note_failed", because=e)


# The disk is not waited for: what a crash of the database forgets here, it forgets with
# the requests being gone.
BEGIN = """
SELECT pg_try_advisory_xact_lock(%s), set_config('synchronous_commit', 'off', true),
    set_config('lock_timeout', %s, true), set_config('statement_timeout', %s, true),
    clock_timestamp()::text,
    EXISTS (SELECT FROM segments_dictionaryentry WHERE expected_type <> '')
"""
END = "SET LOCAL lock_timeout TO DEFAULT; SET LOCAL statement_timeout TO DEFAULT"
COUNT = """
INSERT INTO segments_intakeminute AS m (minute, source_id, applied, refused, last_at)
SELECT date_trunc('minute', clock_timestamp()), source_id, applied, refused,
    clock_timestamp()
FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[])
AS new (source_id, applied, refused)
ON CONFLICT (minute, source_id) DO UPDATE SET
    applied = m.applied + excluded.applied, refused = m.refused + excluded.refused,
    last_at = excluded.last_at
"""
# By its index: those that are gone fill the table's beginning until it is vacuumed.
OLDEST = """
SELECT extract(epoch FROM clock_timestamp() - received_at)::float
FROM segments_inboxrequest ORDER BY id LIMIT 1
"""
NOTE = """
UPDATE segments_inboxrequest SET note = %s
WHERE id = (SELECT id FROM segments_inboxrequest ORDER BY id LIMIT 1)
"""
