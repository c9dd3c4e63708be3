"""From the inbox to people, events and entries."""

__all__ = ["health", "inbox", "old_inbox"]
