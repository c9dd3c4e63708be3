"""Which people get what through which External API, and what became of each."""

from engagements.models.accepted import Accepted
from engagements.models.approval import Approval, ApprovalLimit
from engagements.models.attempt import Attempt
from engagements.models.batch import PEOPLE_LEFT, Batch, BatchQuerySet, Tally
from engagements.models.caps import FrequencyCap, SentLately, channel_number
from engagements.models.connection_health import Destination
from engagements.models.delivery import OF_LINES, Delivery
from engagements.models.engagement import Engagement, ExcludedSegment
from engagements.models.guard_settings import (
    ConsentRule,
    GlobalHoldout,
    SuppressedChannels,
    Suppression,
    channels_in_words,
)
from engagements.models.run import NEXT_DELIVERY, Run
from engagements.models.sent_before import JustSent, SentBefore
from engagements.models.taken_in import TakenIn
from engagements.models.worker_and_sample import Chore, Sample, Worker

__all__ = [
    "NEXT_DELIVERY",
    "OF_LINES",
    "PEOPLE_LEFT",
    "Accepted",
    "Approval",
    "ApprovalLimit",
    "Attempt",
    "Batch",
    "BatchQuerySet",
    "Chore",
    "ConsentRule",
    "Delivery",
    "Destination",
    "Engagement",
    "ExcludedSegment",
    "FrequencyCap",
    "GlobalHoldout",
    "JustSent",
    "Run",
    "Sample",
    "SentBefore",
    "SentLately",
    "SuppressedChannels",
    "Suppression",
    "TakenIn",
    "Tally",
    "Worker",
    "channel_number",
    "channels_in_words",
]
