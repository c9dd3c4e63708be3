"""Whom a run takes in.

`expansion` puts a segment's people into batches, and `people_data` reads their data when
a batch is written; `log_lines` is what a standing run reads of its segment's log,
`sifting` says which of these lines are not taken in, `send_again` who was sent already,
`to_take_in` how many are still to come and whether so many are approved, and `erasure` lets
nothing name somebody who was deleted. `sent` lets segments ask who was sent something.
"""

__all__ = [
    "erasure",
    "expansion",
    "people_data",
    "send_again",
    "sent",
    "sifting",
    "to_take_in",
]
