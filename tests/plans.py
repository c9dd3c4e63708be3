"""What a query does, as PostgreSQL says."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection

REMOVERS = ("Filter", "Join Filter", "Index Recheck")


def begin_anew(*tables: str) -> None:
    """Give empty tables new files, for this test: in theirs lies what others undid.

    Of how many pages those are the planner makes much.
    """
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {', '.join(tables)} CASCADE")


def steps(sql: str) -> list[dict[str, Any]]:
    """Each step of its plan, with what it took.

    By an index wherever there is one, and the one that leaves the fewest rows to read:
    with few rows, as in a test, others are as quick.
    """
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL cpu_tuple_cost = 1")
        cursor.execute("SET LOCAL cpu_operator_cost = 1")
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}")
        [(plan,)] = cursor.fetchall()
        for name in ("enable_seqscan", "cpu_tuple_cost", "cpu_operator_cost"):
            cursor.execute(f"SET LOCAL {name} TO DEFAULT")
    [whole] = json.loads(plan) if isinstance(plan, str) else plan
    return list(_steps(whole["Plan"]))


@contextmanager
def watched() -> Iterator[list[int]]:
    """For each statement that is run inside, the most rows that one step of it reads.

    Each is run twice, and the first time undone.
    """
    most: list[int] = []

    def watch(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.split(maxsplit=1)[0] in ("WITH", "SELECT", "INSERT", "UPDATE", "DELETE"):
            with context["connection"].connection.cursor() as cursor:
                cursor.execute("SAVEPOINT watched")
                cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", params)
                [(plan,)] = cursor.fetchall()
                cursor.execute("ROLLBACK TO SAVEPOINT watched")
            plan = json.loads(plan) if isinstance(plan, str) else plan
            most.append(max(map(_rows_read, _steps(plan[0]["Plan"]))))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(watch):
        yield most


def rows_read(sql: str) -> int:
    """The most that one step reads."""
    return max(map(_rows_read, steps(sql)))


def _rows_read(step: dict[str, Any]) -> int:
    # It counts what is dead as well, such as what other tests undid; the step above it
    # has those that are there.
    if step["Node Type"] == "Bitmap Index Scan":
        return 0
    removed = sum(step.get(f"Rows Removed by {what}", 0) for what in REMOVERS)
    return int((step["Actual Rows"] + removed) * step["Actual Loops"])


def _steps(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for part in node.get("Plans", ()):
        yield from _steps(part)


def note_size(rows: int, pages: int, *tables: str) -> None:
    """Of tables: so many, as autovacuum notes them, which is how they are planned.

    No rows, whatever is there, is what it notes while the first are not committed, or are
    rolled back. To be called in a transaction, with which it ends.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE pg_class SET reltuples = %s, relpages = %s"
            " WHERE oid = ANY(%s::regclass[])",
            [rows, pages, list(tables)],
        )


def rows_read_so_far() -> int:
    """By this transaction so far, by indexes and from whole tables."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::bigint"
            " FROM pg_stat_xact_user_tables"
        )
        (rows,) = cursor.fetchone()
    return int(rows)
