"""Long lists of values that few people are asked about: kept in a table, looked up there.

As literals in the statement they would be read, and made a hash of, for each chunk of
messages. A list is kept under what it holds (a digest of its values, themselves kept as
digests), so that nothing has to be told when a rule changes: what is missing is made by
the first who asks, what nobody has asked of for some days is deleted (retention).
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

from django.db import connection

# So many candidates stand in a statement.
MOST = 500

_kept: ContextVar[dict[str, Sequence[str]] | None] = ContextVar("kept", default=None)

# Sixteen bytes of SHA-256: of two values nobody can make one.
_KEY = (
    "substr(sha256(convert_to(CASE jsonb_typeof({value}) WHEN 'number'"
    " THEN trim_scale({value}::numeric)::text ELSE {value}::text END, 'UTF8')), 1, 16)"
)
# A list that is not there is an error, never a list of nothing.
_IS_KEPT = (
    "EXISTS (SELECT FROM segments_longlistvalue kept WHERE kept.list_id = ("
    "SELECT coalesce(max(list.id), 1) / count(*) FROM segments_longlist list"
    " WHERE list.digest = '{digest}') AND kept.key = {key})"
)


@contextmanager
def kept() -> Iterator[dict[str, Sequence[str]]]:
    """Let comparisons look long lists up; yields which: digest → JSON texts."""
    lists: dict[str, Sequence[str]] = {}
    token = _kept.set(lists)
    try:
        yield lists
    finally:
        _kept.reset(token)


def is_one_of(value: str, candidates: Sequence[str]) -> str:
    """SQL of whether a JSON value (SQL) is one of the candidates, null where it is null.

    In words of `$candidates`, or of `$listed` (all as one JSON list), where they stand
    in the statement.
    """
    if len(candidates) <= MOST:
        # PostgreSQL looks constants up by hash where they are many.
        return f"{value} = ANY($candidates::text[]::jsonb[])"
    lists = _kept.get()
    if lists is None:
        # By hash too, and read as one value: a third of the work of an array of them.
        return f"{value} IN (SELECT jsonb_array_elements($listed::jsonb))"
    digest = hashlib.sha256("\n".join(sorted(candidates)).encode()).hexdigest()
    lists[digest] = candidates
    return _IS_KEPT.format(digest=digest, key=_KEY.format(value=value))


def keep(lists: Mapping[str, Sequence[str]]) -> None:
    """Let lists be there until the end of the transaction."""
    if not lists:
        return
    with connection.cursor() as cursor:
        cursor.execute(USE, [list(lists)])
        cursor.execute(FOUND, [list(lists)])
        found = {digest for (digest,) in cursor.fetchall()}
        # In one order, or two who make the same would wait for each other.
        for digest in sorted(lists.keys() - found):
            cursor.execute(MAKE, [digest])
            # Else somebody else has just made it.
            for (id,) in cursor.fetchall():
                cursor.execute(FILL, [id, list(lists[digest])])


# Once a day, and by nobody who would have to wait for it.
USE = """
UPDATE segments_longlist SET used_at = statement_timestamp() WHERE id IN (
    SELECT id FROM segments_longlist
    WHERE digest = ANY(%s) AND used_at < statement_timestamp() - interval '1 day'
    FOR NO KEY UPDATE SKIP LOCKED
)
"""
FOUND = "SELECT digest FROM segments_longlist WHERE digest = ANY(%s) FOR KEY SHARE"
MAKE = """
INSERT INTO segments_longlist (digest) VALUES (%s) ON CONFLICT DO NOTHING RETURNING id
"""
FILL = f"""
INSERT INTO segments_longlistvalue (list_id, key)
SELECT DISTINCT %s::bigint, {_KEY.format(value="value")}
FROM unnest(%s::text[]::jsonb[]) value
"""
