"""Test Configuration: one request, its record, and what its answer means."""

__all__ = [
    "cases",
    "connection_check",
    "curl_command",
    "dry_run",
    "expectations",
    "explanations",
    "records",
    "runs",
]
