"""A first fill's ranges, by COPY: rows that nothing else is looked up for.

PostgreSQL writes a page of them at once, in the table and in its log, which is a sixth
less work than INSERT. It takes more statements: of few people those are more.
"""

from django.db import connection, transaction

from segments.membership import moves
from segments.membership.moves import Change, Move
from segments.models import copying
from segments.rules import verdicts

# So many people are worth it.
MANY = 1_000


def is_fill(move: Move) -> bool:
    """Whether many enter, nobody leaves, and no event is the cause."""
    return (
        not move.leaving
        and move.entering.count(",") >= MANY - 1
        and verdicts.cause(move.rule, is_wanted=True) == verdicts.NONE
    )


def write(move: Move) -> Change:
    """Write memberships, size and log of who enters, as moves.write does.

    Who is in already cannot enter, which is an error. The ids are in order.
    """
    ids = _spare_touched(move) if move.spares_touched else move.entering
    if not ids:
        return Change()
    segment = move.segment_id
    change = Change(entered=ids.count(",") + 1)
    with connection.cursor() as cursor:
        cursor.execute(GROW, [change.entered, segment])
    copying.copy("segments_membership", MEMBERS, [_lines(ids, segment)])
    copying.copy("segments_transition", LOG, [_lines(ids, segment, "entry")])
    transaction.on_commit(moves.send_changed)
    return change


def _lines(ids: str, *same: object) -> str:
    """Rows of COPY: an id, and what is the same in all of them."""
    rest = "".join(f"\t{value}" for value in same)
    return ids.replace(",", f"{rest}\n") + rest


def _spare_touched(move: Move) -> str:
    """Who is left; nobody is touched meanwhile, since the segment is locked."""
    ids = move.entering
    ends = ids.partition(",")[0], ids.rpartition(",")[-1]
    with connection.cursor() as cursor:
        cursor.execute(TOUCHED, [move.segment_id, *ends])
        touched = {str(id) for (id,) in cursor.fetchall()}
    if not touched:
        return ids
    return ",".join(id for id in ids.split(",") if id not in touched)


MEMBERS = ("profile_id", "segment_id")
LOG = (*MEMBERS, "kind")
GROW = "UPDATE segments_segment SET size = size + %s WHERE id = %s"
TOUCHED = """
SELECT profile_id FROM segments_touched
WHERE segment_id = %s AND profile_id BETWEEN %s AND %s
"""
