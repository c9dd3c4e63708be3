"""The checks of a body while it is written, by Braze's rules."""

__all__ = ["findings", "lint"]
