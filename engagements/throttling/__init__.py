"""How fast a connection is asked, and whose turn it is.

`rate_limit` hands out permits of a connection's plan, `fairness` decides whose request
goes first, `circuit_breaker` leaves a failing connection alone, and `backoff` says when
something is tried again.
"""

__all__ = ["backoff", "circuit_breaker", "fairness", "rate_limit"]
