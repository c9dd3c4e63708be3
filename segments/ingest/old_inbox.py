"""What a web process of version 0.1.0 still writes: its inbox had a row a message.

Once the database is migrated it takes nothing more (docs/operators.md, Upgrading). What
it had in hand in that moment goes the way of everything else, with the time of its
receipt; the table goes with the version after this one.
"""

from django.db import connection

MOST = 10_000


def move() -> int:
    """Move at most MOST messages into the inbox; return how many."""
    with connection.cursor() as cursor:
        cursor.execute(MOVE, [MOST])
        return int(cursor.rowcount)


MOVE = """
WITH moved AS (
    DELETE FROM segments_inboxmessage WHERE id IN (
        SELECT id FROM segments_inboxmessage WHERE applied_at IS NULL
        ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED
    ) RETURNING id, source_id, message_id, kind, payload, received_at
)
INSERT INTO segments_inboxrequest (source_id, body, count, received_at)
SELECT source_id, convert_to(
        jsonb_build_array(jsonb_build_array(message_id, kind, payload))::text, 'UTF8'
    ), 1, received_at
FROM moved ORDER BY id
"""
