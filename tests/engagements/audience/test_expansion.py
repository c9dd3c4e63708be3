"""Looking for people who wait, which every worker does all the time."""

from typing import Any

import pytest
from django.db import connection

from engagements.audience import expansion
from engagements.lifecycle import transitions
from engagements.models import Engagement, Run
from segments.models import Transition
from tests import factories

pytestmark = pytest.mark.django_db

FILL_LOG = """
    INSERT INTO segments_transition (segment_id, profile_id, kind)
    SELECT %s, %s, 'entry' FROM generate_series(1, 50000)
"""


@pytest.fixture
def standing(braze) -> Run:
    engagement = factories.make_engagement(
        factories.make_segment(0),
        factories.make_version(connection=braze),
        trigger=Engagement.Trigger.ON_ENTRY,
    )
    transitions.activate(engagement)
    return engagement.runs.get()


def fill_log(segment) -> None:
    with connection.cursor() as cursor:
        cursor.execute(FILL_LOG, [segment.pk, factories.make_profile().pk])
        cursor.execute("ANALYZE segments_transition")


def pages_read() -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {expansion.EXPANDABLE}")
        plan: dict[str, Any] = cursor.fetchone()[0][0]["Plan"]
    return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])


def test_a_long_log_that_was_read_is_not_read_again(standing):
    fill_log(standing.engagement.segment)
    last = Transition.objects.order_by("pk").last()
    Run.objects.update(expansion_cursor=last.pk)

    assert pages_read() < 50


def test_a_long_log_of_other_segments_is_not_read(standing):
    fill_log(factories.make_segment(0))

    assert pages_read() < 50


def test_an_entry_is_found(standing):
    assert expansion.expandable_runs() == []
    factories.enter(standing.engagement.segment, factories.make_profile())
    assert expansion.expandable_runs() == [standing.pk]
