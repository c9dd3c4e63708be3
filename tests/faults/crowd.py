"""Many people at once: the database makes them, and a segment of them."""

from django.db import connection

from segments.models import Segment
from tests import factories

PEOPLE = """
    WITH people AS (
        INSERT INTO segments_profile (external_id, email, attributes)
        SELECT %(name)s || '-' || n, %(name)s || '-' || n || '@example.com',
            jsonb_build_object('first_name', 'Ann ' || n)
        FROM generate_series(1, %(count)s) n
        RETURNING id
    )
    INSERT INTO segments_membership (segment_id, profile_id)
    SELECT %(segment)s, id FROM people
"""


def crowd(count: int) -> Segment:
    segment = factories.make_segment(size=count)
    with connection.cursor() as cursor:
        name = f"crowd-{segment.pk}"
        cursor.execute(PEOPLE, {"name": name, "count": count, "segment": segment.pk})
    return segment
