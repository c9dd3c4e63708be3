"""Erasing people: everywhere, for good, and with a report of what went."""

__all__ = ["elsewhere", "erasure", "naming", "places", "returned"]
