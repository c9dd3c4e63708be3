"""Requests to Braze to begin with."""
