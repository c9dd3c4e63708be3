"""The reasons to skip somebody that are nobody's failure."""

from collections.abc import Mapping

from django.db.models import Q

# By which guards skip: code (renderer.Skip) → what the report calls it.
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
# The same of an engagement that compares: there is nothing to do.
NOTHING_NEW: Mapping[str, str] = {
    "unchanged": "Nothing changed since Braze last accepted it",
    "not_new": "Accepted before",
    "overtaken": "A newer value was accepted meanwhile",
}
WISHED = frozenset({*REASONS, *NOTHING_NEW})
# Deliveries that are as somebody wished.
AS_WISHED = Q(state="skipped", reason__regex=rf"^({'|'.join(sorted(WISHED))}): ")
