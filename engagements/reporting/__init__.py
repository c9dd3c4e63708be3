"""What became of everybody: counts, histories, and the export."""

__all__ = [
    "by_variant",
    "data_points",
    "export",
    "history",
    "listening",
    "reports",
    "timeline",
]
