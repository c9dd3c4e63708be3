"""What a request leaves to a worker."""

from django.conf import settings

from lemnisk_braze.lib import wakeup


def apply_inbox() -> bool:
    """Ask a worker to apply the inbox; False where the broker could not be told."""
    return wakeup.of(settings.INBOX_TASK).publish()


def refresh_segment(segment_id: int) -> bool:
    """Ask a worker to count a segment; False where the broker could not be told."""
    return wakeup.of("segments.tasks.refresh_segment").publish(segment_id)


def run_import(import_id: int) -> bool:
    """Ask a worker to go on with an import; False where the broker could not be told."""
    return wakeup.of("segments.tasks.run_import").publish(import_id)


def run_list_upload(upload_id: int) -> bool:
    """Ask a worker to go on with an upload to a list; False where nobody could be told."""
    return wakeup.of("segments.tasks.run_list_upload").publish(upload_id)


def ask_for_list(feed_id: int, *, by_hand: bool = False) -> bool:
    """Ask a worker to ask what keeps a list; False where nobody could be told.

    `by_hand`: now, whether it is due or not.
    """
    return wakeup.of("segments.tasks.ask_for_list").publish(feed_id, int(by_hand))


def run_query(query_id: int, *, by_hand: bool = False) -> bool:
    """Ask a worker to run a SQL source; False where the broker could not be told.

    `by_hand`: now, whether it is due or not.
    """
    return wakeup.of("segments.tasks.run_query").publish(query_id, int(by_hand))


def replay(replay_id: int) -> bool:
    """Ask a worker to send refused messages in again; False where nobody was told."""
    return wakeup.of("segments.tasks.replay").publish(replay_id)
