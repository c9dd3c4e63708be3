"""The tracking API: Segment's HTTP spec in, rows of the inbox out."""

__all__ = ["errors", "request_body", "validation", "write_keys"]
