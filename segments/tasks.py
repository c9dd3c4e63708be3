"""Celery's way in. A task is an address: it calls one function."""

from celery import shared_task

from segments import wakeup
from segments.imports import runner
from segments.imports.feeding import queries
from segments.lists import asking
from segments.lists import runner as lists_runner
from segments.membership import refresh
from segments.tracking import replaying


@shared_task(ignore_result=True, soft_time_limit=90, time_limit=120)
def refresh_segment(segment_id: int) -> None:
    """Count a segment's people anew, when no other is being counted."""
    refresh.refresh_in_turn(segment_id)


@shared_task(ignore_result=True, soft_time_limit=240, time_limit=300)
def run_import(import_id: int) -> None:
    """Go on with an import for a moment; then others have their turn, and it again."""
    if runner.turn(import_id):
        wakeup.run_import(import_id)


@shared_task(ignore_result=True, soft_time_limit=540, time_limit=600)
def run_list_upload(upload_id: int) -> None:
    """Go on with a list's upload for a moment, and then again."""
    if lists_runner.turn(upload_id):
        wakeup.run_list_upload(upload_id)


@shared_task(ignore_result=True, soft_time_limit=3_600, time_limit=3_700)
def ask_for_list(feed_id: int, by_hand: int) -> None:
    """Ask the database that keeps a list: as its schedule says, or by hand."""
    asking.ask(feed_id, by_hand=bool(by_hand))


@shared_task(ignore_result=True, soft_time_limit=3_600, time_limit=3_700)
def run_query(query_id: int, by_hand: int) -> None:
    """Ask a SQL source: as its schedule says, or by hand."""
    queries.run(query_id, by_hand=bool(by_hand))


@shared_task(ignore_result=True, soft_time_limit=90, time_limit=120)
def replay(replay_id: int) -> None:
    """Send refused messages in again for a moment; then others have their turn."""
    if replaying.go_on(replay_id):
        wakeup.replay(replay_id)
