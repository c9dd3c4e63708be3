"""What senders should know of messages that were taken in all the same: counted."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from django.db import connection

from segments.models import Source
from segments.tracking.validation import Notice


def count(source: Source, notices: Sequence[Notice]) -> None:
    """Count them for the source's page, by their codes."""
    texts = dict(notices)
    numbers = Counter(notice.code for notice in notices)
    codes = sorted(texts)
    columns: list[Any] = [
        codes,
        [texts[code] for code in codes],
        [numbers[code] for code in codes],
    ]
    with connection.cursor() as cursor:
        cursor.execute(COUNT, [source.pk, *columns])


# The disk is not waited for: it is a number to look at.
COUNT = """
WITH fast AS (SELECT set_config('synchronous_commit', 'off', true))
INSERT INTO segments_sourcewarning (source_id, code, message, count, last_at)
SELECT %s, code, message, number, clock_timestamp()
FROM fast, unnest(%s::text[], %s::text[], %s::bigint[]) AS new (code, message, number)
ON CONFLICT (source_id, code) DO UPDATE SET
    count = segments_sourcewarning.count + excluded.count,
    message = excluded.message, last_at = excluded.last_at
"""
