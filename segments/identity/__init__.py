"""Who a message is about, and how contacts are kept."""

__all__ = ["contact", "resolution"]
