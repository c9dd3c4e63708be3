"""From the inbox to people, events and entries."""

__all__ = ["garbage", "health", "inbox", "old_inbox"]
