"""The product on one machine: its processes, started and ended together.

For `make start`, an empty site, and for `make demo`, which fills one.
"""

__all__ = ["command", "processes", "sandbox", "servers"]
