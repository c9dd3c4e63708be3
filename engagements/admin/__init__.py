"""The admin's pages of engagements and of what became of them."""

from engagements.admin.caps import FrequencyCapAdmin
from engagements.admin.engagement import EngagementAdmin
from engagements.admin.guards.suppression import SuppressionAdmin
from engagements.admin.logs import AttemptAdmin, BatchAdmin, DeliveryAdmin, RunAdmin

__all__ = [
    "AttemptAdmin",
    "BatchAdmin",
    "DeliveryAdmin",
    "EngagementAdmin",
    "FrequencyCapAdmin",
    "RunAdmin",
    "SuppressionAdmin",
]
