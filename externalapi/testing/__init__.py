"""Test Configuration: one request, its record, and what its answer means."""
