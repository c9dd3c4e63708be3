"""People to be looked up: by what they are called, and what became of them over time."""

__all__ = ["display", "export", "logs", "search", "timeline"]
