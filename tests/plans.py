"""What a query does, as PostgreSQL says."""

import json
from collections.abc import Iterator
from typing import Any

from django.db import connection


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


def rows_read(sql: str) -> int:
    """The most that one step reads."""
    return max(
        int(
            (step["Actual Rows"] + step.get("Rows Removed by Filter", 0))
            * step["Actual Loops"]
        )
        for step in steps(sql)
    )


def _steps(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for part in node.get("Plans", ()):
        yield from _steps(part)
