"""How long a press of Test Configuration is kept."""

import time
from datetime import datetime

from django.db import connection

CHUNK = 500

# What still says something stays: of each version and test case the newest that went
# well, and the newest that did not.
DELETE = """
    DELETE FROM externalapi_configurationtest WHERE id IN (
        SELECT t.id FROM externalapi_configurationtest t
        WHERE t.at < %s AND EXISTS (
            SELECT FROM externalapi_configurationtest newer
            WHERE newer.version_id = t.version_id AND newer.id > t.id
              AND newer.case_id IS NOT DISTINCT FROM t.case_id
              AND newer.is_success = t.is_success
        )
        ORDER BY t.id LIMIT %s FOR UPDATE SKIP LOCKED
    )
"""


def clean_tests(before: datetime, deadline: float) -> int:
    """Delete the tests from before a time; return how many.

    In chunks, until none is left or time.monotonic() is at `deadline`.
    """
    return in_chunks(DELETE, before, CHUNK, deadline)


def in_chunks(statement: str, before: datetime, size: int, deadline: float) -> int:
    """Run a statement for `size` rows from before a time at once; return how many.

    Until none is left or time.monotonic() is at `deadline`. Its parameters are the time
    and the size.
    """
    count = 0
    while time.monotonic() < deadline:
        with connection.cursor() as cursor:
            cursor.execute(statement, [before, size])
            done = int(cursor.rowcount)
        count += done
        if done < size:
            break
    return count
