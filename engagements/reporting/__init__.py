"""What became of everybody: counts, histories, and the export."""

__all__ = ["export", "history", "reports", "timeline"]
