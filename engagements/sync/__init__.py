"""Whom an engagement sends to of those it has: everybody, only the new, only the changed.

`state` keeps what Braze last accepted of whom, in hashes, and what is in doubt. `shape`
reads which attributes a body has, `comparing` holds what is rendered against the state
and leaves out what is known there, `leaving` clears the attributes of who has left,
`one_at_a_time` lets one request for a person be on the wire, and `recording` writes down
what an answer says of the state. `order` keeps a repeated
request from overwriting a newer one, and `data_points` counts what is paid and saved.
"""

__all__ = [
    "comparing",
    "data_points",
    "one_at_a_time",
    "order",
    "recording",
    "shape",
    "state",
]
