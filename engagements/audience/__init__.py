"""Whom a run takes in.

`expansion` puts a segment's people into batches, and `people_data` reads their data when
a batch is written; `send_again` says who was sent already, and `erasure` lets nothing
name somebody who was deleted. `sent` lets segments ask who was sent something.
"""

__all__ = ["erasure", "expansion", "people_data", "send_again", "sent"]
