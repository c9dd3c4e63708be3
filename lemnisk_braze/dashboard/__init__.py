"""The admin's home: the steps, the sidebar, search, and what an empty list says."""

__all__ = ["empty_lists", "search"]
