"""People, what they did, and the segments that they are in."""

from segments.models.segments import (
    Event,
    Identifier,
    InboxMessage,
    Membership,
    Profile,
    Proposal,
    Segment,
    Source,
    Transition,
)

__all__ = [
    "Event",
    "Identifier",
    "InboxMessage",
    "Membership",
    "Profile",
    "Proposal",
    "Segment",
    "Source",
    "Transition",
    "signals",
    "stored",
]
