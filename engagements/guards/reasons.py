"""The reasons by which guards skip somebody: nobody's failure."""

from collections.abc import Mapping

from django.db.models import Q

# Code (renderer.Skip) → what the report calls it.
REASONS: Mapping[str, str] = {
    "suppressed": "Never to be sent anything (suppressed)",
    "no_consent": "No consent to the channel",
    "left_segment": "Left the segment",
    "came_back": "Came back into the segment",
    "over_limit": "More events of the person than the limit",
    "excluded": "In a segment that is excluded",
    "holdout_global": "Holdout of all Engagements",
    "holdout": "Holdout",
    "frequency_cap": "Frequency cap",
    "quiet_hours": "Quiet hours",
}
# Deliveries that are as somebody wished.
AS_WISHED = Q(state="skipped", reason__regex=rf"^({'|'.join(REASONS)}): ")
