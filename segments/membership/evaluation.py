"""People who changed, or did something, enter and leave: one statement for all rules.

One broken rule, or one person's value, must not hold up everybody's data: what fails
together is asked by fewer rules, then by one alone, then of fewer people.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TypeAlias

from celery.exceptions import SoftTimeLimitExceeded
from django.core.exceptions import ValidationError
from django.db import Error, connection, transaction
from django.db.models.functions import Now

from lemnisk_braze.lib.database_errors import TOO_LONG, About, about, sqlstate
from lemnisk_braze.lib.logs import get_logger
from segments.membership import following, moves, steps
from segments.membership.following import Heirs
from segments.membership.moves import Change
from segments.membership.references import graph
from segments.membership.turning import Course, Story
from segments.models import Segment
from segments.rules import verdicts

logger = get_logger(__name__)

# In seconds: how long all rules together may take of a worker's people, and then each
# alone; the one that takes longer is left alone.
TOGETHER = 10
ALONE = 5
# So many people who cannot be asked, and not one who can: it is not the people.
SUSPECTS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A segment whose row is locked, and its valid rule as JSON.

    `is_counted`: everybody is being counted for it just now.
    """

    id: int
    rule: str
    is_counted: bool = False
    keeps_again: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What is known of how the people came to be what they are; as `evaluate` has it."""

    story: Story | None = None
    heirs: Heirs | None = None
    course: Course | None = None


NOTHING = Told()
# People by id, and the names of attributes.
Attributes: TypeAlias = Mapping[int, Set[str]]

# When a row was saved, and the bytes of its rule.
Version: TypeAlias = str
# Rules of more bytes, as they are stored, are kept by each process; so many at most.
LONG = 20_000
MOST_LONG = 50
_long: dict[int, tuple[Version, str]] = {}


def evaluate(
    changed: Iterable[int],
    active: Iterable[int] = (),
    names: Iterable[str] = (),
    story: Story | None = None,
    heirs: Heirs | None = None,
    attributes: Attributes = MappingProxyType({}),
) -> Change:
    """Let people enter and leave the active segments, in the caller's transaction.

    `changed`: who are new, or others now; all segments are asked. `attributes`: of whom
    only these have other values; the segments that read one of them are. `active`: who
    did something; those that read one of the event `names` are. `story`: by which
    messages (`steps`). `heirs`: who was split off, and from whom (`following`).
    """
    everything, names = set(changed), list(names)
    renewed = attributes.keys() - everything
    did = set(active) - everything if names else set()
    told, change = Told(story=story, heirs=heirs), Change()
    with transaction.atomic(savepoint=False):
        if everything or renewed:
            asked = _lock(())
            change += ask(asked, sorted(everything), told)
            some = set().union(*map(attributes.__getitem__, renewed))
            asked = _concerned(asked, some, names if renewed & did else ())
            change += ask(asked, sorted(renewed), told)
        if others := sorted(did - renewed):
            change += ask(_lock(names), others, told)
    return change


def _concerned(
    asked: Sequence[Asked], attributes: Set[str], events: Collection[str]
) -> list[Asked]:
    rules = {one.id: one.rule for one in asked}
    found = graph.concerned(rules, attributes, events)
    return [one for one in asked if one.id in found]


def ask(asked: Sequence[Asked], ids: Sequence[int], told: Told = NOTHING) -> Change:
    """Let the given people in and out of segments whose rows are locked.

    A segment that asks for another is asked after that: so it follows at once.
    """
    if not (asked and ids):
        return Change()
    _note_touched([one.id for one in asked if one.is_counted], ids)
    by_id = {one.id: one for one in asked}
    change = Change()
    if told.story:
        rules = {one.id: one.rule for one in asked}
        told = replace(told, course=Course(story=told.story, rules=rules))
    for level in graph.in_levels((one.id, one.rule) for one in asked):
        change += _ask([by_id[id] for id in level], ids, told)
    return change


def lock_with_readers(ids: Collection[int]) -> list[Asked]:
    """Lock the active ones of these segments, and of those that ask for them.

    Those that ask for one of them by way of others are among them. In order of id, as
    whoever has several locks them. A paused one is neither locked nor returned.
    """
    with connection.cursor() as cursor:
        cursor.execute(LOCK.format(reading=f"AND {IS_READER}"), [list(ids)])
        return _read_all(cursor.fetchall())


def lock_that_read(names: Collection[str]) -> list[Asked]:
    """Lock the active segments that read one of these events, and those that ask for them.

    In order of id, as lock_with_readers.
    """
    return _lock(list(names)) if names else []


def _ask(asked: Sequence[Asked], ids: Sequence[int], told: Told) -> Change:
    try:
        return _apply(asked, ids, TOGETHER, told)
    except SoftTimeLimitExceeded:
        raise
    except Exception as e:
        if len(asked) == 1:
            return _ask_alone(asked[0], ids, told)
        if sqlstate(e) == TOO_LONG:
            logger.warning("segments.asked_alone", because=e)
            return sum((_ask_alone(one, ids, told) for one in asked), Change())
        if about(e) is About.CONNECTION:
            raise
    half = len(asked) // 2
    return _ask(asked[:half], ids, told) + _ask(asked[half:], ids, told)


def _ask_alone(asked: Asked, ids: Sequence[int], told: Told) -> Change:
    """The same of one segment: what fails is written on it, or stops one person."""

    def apply(some: Sequence[int]) -> Change:
        return _apply([asked], some, ALONE, told)

    try:
        return InHalves(segment_id=asked.id, apply=apply).ask(ids)
    except SoftTimeLimitExceeded:
        raise
    except Exception as e:
        leave_alone(asked.id, e)
        return Change()


def leave_alone(segment_id: int, error: Exception) -> None:
    """Ask nobody for this segment until a later count of it succeeds.

    Whoever comes meanwhile is found by that count. Raises the error where it is the
    database that is away, or somebody else at the segment.
    """
    if about(error) is About.CONNECTION and sqlstate(error) != TOO_LONG:
        raise error
    logger.error("segment.failed", segment_id=segment_id, exc_info=error)
    Segment.objects.filter(pk=segment_id).update(
        # A count that is at work would leave out whom it could not be asked about.
        counting_until=None,
        problem=_in_words(error),
        problem_at=Now(),
    )


@dataclass(slots=True, kw_only=True)
class InHalves:
    """Lets people in and out of a segment; whose value cannot be asked stays as they are.

    Only where nobody can be asked it is the segment's own fault: then their error is
    raised.
    """

    segment_id: int
    apply: Callable[[Sequence[int]], Change]
    refused: dict[int, Error] = field(default_factory=dict)
    is_anybody_asked: bool = False

    def ask(self, ids: Sequence[int]) -> Change:
        change = self._in_halves(ids)
        self._blame()
        for person, error in self.refused.items():
            logger.error(
                "segment.person_refused",
                segment_id=self.segment_id,
                profile_id=person,
                exc_info=error,
            )
        self.refused.clear()
        return change

    def _in_halves(self, ids: Sequence[int]) -> Change:
        try:
            change = self.apply(ids)
        except Error as e:
            if about(e) is About.CONNECTION:
                raise
            if len(ids) == 1:
                self.refused[ids[0]] = e
                if len(self.refused) >= SUSPECTS:
                    self._blame()
                return Change()
        else:
            self.is_anybody_asked = True
            return change
        half = len(ids) // 2
        return self._in_halves(ids[:half]) + self._in_halves(ids[half:])

    def _blame(self) -> None:
        for error in self.refused.values():
            if about(error) is About.STATEMENT and not self.is_anybody_asked:
                raise error


def _apply(
    asked: Sequence[Asked], ids: Sequence[int], seconds: int, told: Told
) -> Change:
    """Find out who moves and write it, or nothing; in at most so many seconds each."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(BEGIN, [f"{seconds}s"])
        before = cursor.fetchone()[0]
        found = moves.find([(one.id, one.rule) for one in asked], moves.listed(ids))
        if told.heirs:
            found = following.inherit(found, told.heirs)
        lines: list[steps.Line] = []
        if told.course:
            found, lines = steps.take_out(found, asked, ids, told.course)
        change = moves.write(found) + steps.write(lines)
        cursor.execute("SELECT set_config('statement_timeout', %s, true)", [before])
    return change


def _lock(names: Sequence[str]) -> list[Asked]:
    """The active segments, or those that read one of the events; in order of id.

    With these come those that ask for them. One whose stored rule is wrong is left alone.
    """
    with connection.cursor() as cursor:
        if names:
            cursor.execute(LOCK.format(reading=READING), [list(names)])
        else:
            cursor.execute(LOCK.format(reading=""))
        return _read_all(cursor.fetchall())


def _read_all(
    rows: Sequence[tuple[int, str | None, Version, bool, bool, bool]],
) -> list[Asked]:
    """Locked rows of (id, rule, version, is counted, has no problem, keeps_again).

    A long rule is None. One whose stored rule is wrong is left alone, as is who has a
    problem and is not counted anew.
    """
    long = _long_rules({id: version for id, rule, version, *_ in rows if rule is None})
    asked = (
        _read(id, long[id] if rule is None else rule, is_counted, keeps_again)
        for id, rule, _, is_counted, is_well, keeps_again in rows
        if is_well or is_counted
    )
    return list(filter(None, asked))


def _long_rules(wanted: Mapping[int, Version]) -> dict[int, str]:
    """The rules of these locked segments as JSON: read only where they have changed.

    A list of 50,000 values is a megabyte, and would be read for each chunk of messages.
    """
    found = {
        id: kept[1]
        for id, version in wanted.items()
        if (kept := _long.get(id)) and kept[0] == version
    }
    if new := sorted(wanted.keys() - found.keys()):
        with connection.cursor() as cursor:
            cursor.execute(RULES, [new])
            read = dict(cursor.fetchall())
        if len(_long) + len(read) > MOST_LONG:
            _long.clear()
        _long.update((id, (wanted[id], rule)) for id, rule in read.items())
        found |= read
    return found


def is_right(id: int, rule: str) -> bool:
    """Whether a locked segment's stored rule is; one whose rule is wrong is left alone."""
    try:
        verdicts.read(rule)
    except ValidationError as e:
        leave_alone(id, e)
        return False
    return True


def _read(id: int, rule: str, is_counted: bool, keeps_again: bool) -> Asked | None:
    if not is_right(id, rule):
        return None
    return Asked(id=id, rule=rule, is_counted=is_counted, keeps_again=keeps_again)


def lock_if_read(ids: Collection[int]) -> list[Asked]:
    """As lock_with_readers, where any asks for one of these; else none is locked."""
    with connection.cursor() as cursor:
        cursor.execute(IS_READ, [list(ids)])
        (is_read,) = cursor.fetchone()
    return lock_with_readers(ids) if is_read else []


def _note_touched(counted: Sequence[int], ids: Sequence[int]) -> None:
    if counted:
        with connection.cursor() as cursor:
            cursor.execute(TOUCH, [list(counted), list(ids)])


def _in_words(error: Exception) -> str:
    if isinstance(error, ValidationError):
        return str(error.messages[0])
    if sqlstate(error) == TOO_LONG:
        return "Counting it takes too long. Make its rule simpler."
    return f"A mistake of ours: {type(error).__name__}. The log has it."


# Those with a problem are held, too: a count that begins now waits for what was written.
LOCK = f"""
SELECT id, CASE WHEN pg_column_size(rule) <= {LONG} THEN rule::text END,
    updated_at::text || ' ' || pg_column_size(rule),
    counting_until IS NOT NULL, problem = '', keeps_again
FROM segments_segment WHERE is_active {{reading}} ORDER BY id FOR NO KEY UPDATE
"""
RULES = "SELECT id, rule::text FROM segments_segment WHERE id = ANY(%s)"
# Of each of them those that ask for it, too, and so on.
_READERS = """
id IN (WITH RECURSIVE reading (id) AS (
    {first}
    UNION
    SELECT s.id FROM segments_segment s JOIN reading r ON r.id = ANY(s.reads_segments)
) SELECT id FROM reading)
"""
IS_READER = _READERS.format(first="SELECT unnest(%s::bigint[])")
IS_READ = """
SELECT EXISTS (SELECT FROM segments_segment WHERE reads_segments && %s::bigint[])
"""
READING = "AND " + _READERS.format(
    first="SELECT id FROM segments_segment WHERE event_names ?| %s"
)
TOUCH = """
INSERT INTO segments_touched (segment_id, profile_id)
SELECT segment, profile FROM unnest(%s::bigint[]) segment, unnest(%s::bigint[]) profile
ON CONFLICT DO NOTHING
"""
# Compiling the statement would take longer than it does, and so would a plan for each
# few people. (The time limit as it was.)
BEGIN = """
SELECT before, set_config('jit', 'off', true),
    set_config('statement_timeout', %s, true),
    set_config('plan_cache_mode', 'force_generic_plan', true)
FROM current_setting('statement_timeout') before
"""
