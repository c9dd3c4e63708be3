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
    count = 0
    while time.monotonic() < deadline:
        with connection.cursor() as cursor:
            cursor.execute(DELETE, [before, CHUNK])
            deleted = int(cursor.rowcount)
        count += deleted
        if deleted < CHUNK:
            break
    return count
