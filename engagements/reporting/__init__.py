"""What became of everybody: counts, histories, and the export; what was approved."""

__all__ = [
    "approved_changes",
    "by_variant",
    "export",
    "finding",
    "history",
    "listening",
    "progress",
    "reports",
    "timeline",
    "waiting",
]
