"""A folder a vendor, with all that is known of it; a new vendor is a folder here."""

__all__ = ["catalog", "preset"]
