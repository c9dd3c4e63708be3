"""Requests to Braze to begin with."""

__all__ = ["all"]
