"""What became of everybody: counts, histories, and the export; what was approved."""

__all__ = [
    "approved_changes",
    "by_variant",
    "data_points",
    "export",
    "finding",
    "history",
    "listening",
    "reports",
    "timeline",
    "waiting",
]
