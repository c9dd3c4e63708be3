"""What an upload does to its list, and to the segments that ask for it."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.db.models import ProtectedError

from segments.imports import storing
from segments.membership import counting, evaluation
from segments.membership.counts import at_work
from segments.membership.references import graph
from segments.models import ListLine, ListUpload, Segment, UploadedList
from segments.rules import identified
from segments.rules.operators import literal

Kind = ListLine.Kind
# Of people who come and go so many are asked what becomes of them.
SAMPLED = 5_000
# So many identifiers that come or go are asked about at once: whoever has them enters
# and leaves with the change of the list. Of more everybody is counted.
FEW = 2_000


def look_through(upload: ListUpload) -> tuple[dict[str, int], int]:
    """Say of each line what it comes to, as things are now.

    Return how many lines are of each kind, and how many entries of the list go. Every
    line is of one kind: the numbers add up to the rows.
    """
    kind = literal(upload.of.kind)
    known = identified.is_known("l.value", kind)
    with _as_told() as cursor:
        parameters = [upload.of_id, upload.pk, upload.pk]
        cursor.execute(LOOK.format(known=known), parameters)
        cursor.execute(COUNT, [upload.pk])
        found: dict[str, int] = dict(cursor.fetchall())
        going = 0
        if upload.mode == ListUpload.Mode.REPLACE:
            cursor.execute(GOING_COUNT, [upload.of_id, upload.pk])
            going = cursor.fetchone()[0]
    return found, going


def sample(upload: ListUpload) -> dict[str, Any]:
    """Some of the people who come and go by an upload that was looked through.

    {"entering": [id, …], "leaving": [id, …], "share": how many they are of all}.
    """
    kind = literal(upload.of.kind)
    values = {"entering": COMING, "leaving": LEAVING}
    found: dict[str, Any] = {}
    with _as_told() as cursor:
        parts = []
        for what, statement in values.items():
            people = identified.owners_one_by_one(
                statement.format(list=upload.of_id, upload=upload.pk), kind
            )
            is_asked = what == "entering" or upload.mode == ListUpload.Mode.REPLACE
            parts.append(SOME.format(what=what, people=people, is_asked=is_asked))
        cursor.execute(SAMPLE.format(people=" UNION ALL ".join(parts), most=SAMPLED))
        rows = cursor.fetchall()
    for what in values:
        found[what] = sorted(id for name, id, _ in rows if name == what)
    found["share"] = len(rows) / rows[0][2] if rows else 1
    return found


def write(upload: ListUpload) -> None:
    """Change the list as the upload says, and let the segments that ask for it follow.

    In the caller's transaction, which has the list's lock and has looked through the
    upload in it.
    """
    readers = graph.segments_that_ask("list", [upload.of_id])
    few = _few(upload)
    if few is not None:
        # Locked before the list is another: who is asked elsewhere meanwhile waits, and
        # is asked by the new one then.
        asked = evaluation.lock_with_readers([one.pk for one in readers])
        people = _owners(upload.of, few)
        _write(upload)
        evaluation.ask(asked, people)
        return
    _write(upload)
    _count_anew([one.pk for one in readers])


def delete(gone: UploadedList) -> None:
    """Delete a list with all that was uploaded to it.

    Raises a ProtectedError where a segment asks for it. Whoever saves a rule that does
    holds the list, and is waited for.
    """
    with transaction.atomic():
        UploadedList.objects.select_for_update().filter(pk=gone.pk).first()
        if users := graph.segments_that_ask("list", [gone.pk]):
            raise ProtectedError("Segments ask for it.", set(users))
        uploads = list(gone.uploads.all())
        forget_lines([upload.pk for upload in uploads])
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM segments_listentry WHERE of_id = %s", [gone.pk])
        gone.delete()
        for upload in uploads:
            # Not after the commit: of a kill in between a file would be left.
            storing.drop(upload)


def forget_lines(uploads: Collection[int]) -> None:
    """Delete the lines of uploads."""
    with connection.cursor() as cursor:
        cursor.execute(FORGET_LINES, [list(uploads)])


def _few(upload: ListUpload) -> list[str] | None:
    """The identifiers that come or go; None where they are too many."""
    with _as_told() as cursor:
        is_replaced = upload.mode == ListUpload.Mode.REPLACE
        parameters = [upload.pk, upload.of_id, upload.of_id, upload.pk, is_replaced]
        cursor.execute(DIFFERENT, [*parameters, FEW + 1])
        found = [value for (value,) in cursor.fetchall()]
    return found if len(found) <= FEW else None


def _owners(of: UploadedList, values: Sequence[str]) -> list[int]:
    asked = "SELECT unnest(%s::text[]) AS value"
    known = identified.owners_one_by_one(asked, literal(of.kind))
    with _as_told() as cursor:
        parameters = [list(values)] * known.count("%s")
        cursor.execute(f"SELECT DISTINCT id FROM ({known}) o (id)", parameters)
        return sorted(id for (id,) in cursor.fetchall())


def _write(upload: ListUpload) -> None:
    with _as_told() as cursor:
        if upload.mode == ListUpload.Mode.REPLACE:
            cursor.execute(REMOVE, [upload.of_id, upload.pk, upload.of_id])
        cursor.execute(ADD, [upload.of_id, upload.pk])
        cursor.execute(SIZE, [upload.of_id, upload.of_id])


def _count_anew(ids: Collection[int]) -> None:
    live = Segment.objects.filter(pk__in=ids, is_active=True)
    # In order of id, as whoever has several locks them.
    for segment in live.order_by("pk").select_for_update(no_key=True):
        counting.mark_uncounted(segment)
        segment.save(update_fields=counting.CHANGED)
        counting.count_soon(segment)


@contextmanager
def _as_told() -> Iterator[CursorWrapper]:
    """A cursor whose statements take the time of their lines, whatever statistics say.

    The lines were just written, and of tables that were empty a moment ago PostgreSQL
    expects one row: it would look through all of them for each. So what is joined is
    hashed, what is compared is a difference of sets, and what is looked up is so by an
    index, value by value.
    """
    with at_work.hashing(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        yield cursor
        cursor.execute("SET LOCAL enable_seqscan TO DEFAULT")


# Of equal lines the first counts. What nobody has is on the list all the same: who
# appears with it later is on it then.
LOOK = """
WITH looked AS MATERIALIZED (
    SELECT l.id, l.kind AS before, CASE
        WHEN row_number() OVER (PARTITION BY l.value ORDER BY l.line, l.id) > 1
            THEN 'twice'
        WHEN NOT {known} THEN 'unknown'
        WHEN EXISTS (
            SELECT FROM segments_listentry e WHERE e.of_id = %s AND e.value = l.value
        ) THEN 'already'
        ELSE 'new' END AS kind
    FROM segments_listline l
    WHERE l.upload_id = %s AND l.kind IN ('new', 'already', 'unknown', 'twice')
)
UPDATE segments_listline l SET kind = looked.kind FROM looked
WHERE l.upload_id = %s AND l.id = looked.id AND looked.before <> looked.kind
"""
COUNT = "SELECT kind, count(*) FROM segments_listline WHERE upload_id = %s GROUP BY 1"
_ENTRIES = "SELECT e.value FROM segments_listentry e WHERE e.of_id = {list}"
# The lines whose values are on the list afterwards.
_LINES = """
    SELECT l.value FROM segments_listline l
    WHERE l.upload_id = {upload} AND l.kind IN ('new', 'already', 'unknown')
"""
LEAVING = f"{_ENTRIES} EXCEPT {_LINES}"
GOING = LEAVING.format(list="%s", upload="%s")
GOING_COUNT = f"SELECT count(*) FROM ({GOING}) g"
REMOVE = f"""
    WITH gone AS MATERIALIZED ({GOING})
    DELETE FROM segments_listentry e USING gone
    WHERE e.of_id = %s AND e.value = gone.value
"""
DIFFERENT = f"""
    SELECT value FROM (
        (SELECT l.value FROM segments_listline l
        WHERE l.upload_id = %s AND l.kind IN ('new', 'unknown')
        EXCEPT {_ENTRIES.format(list="%s")})
        UNION ALL
        SELECT value FROM ({GOING}) g WHERE %s
    ) d LIMIT %s
"""
COMING = """
    SELECT l.value FROM segments_listline l
    WHERE l.upload_id = {upload} AND l.kind = 'new'
"""
SOME = """
    SELECT DISTINCT '{what}' AS what, id FROM ({people}) o (id) WHERE {is_asked}
"""
# Those whose hashes are the smallest are as good as any.
SAMPLE = """
    SELECT what, id, count(*) OVER () FROM ({people}) s
    ORDER BY hashint8(id), what LIMIT {most}
"""
ADD = """
    INSERT INTO segments_listentry (of_id, value)
    SELECT %s, l.value FROM segments_listline l
    WHERE l.upload_id = %s AND l.kind IN ('new', 'already', 'unknown')
    ORDER BY l.value ON CONFLICT DO NOTHING
"""
SIZE = """
    UPDATE segments_uploadedlist SET changed_at = clock_timestamp(),
        size = (SELECT count(*) FROM segments_listentry WHERE of_id = %s)
    WHERE id = %s
"""
FORGET_LINES = "DELETE FROM segments_listline WHERE upload_id = ANY(%s)"
