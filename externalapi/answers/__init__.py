"""What an answer means (docs/delivery.md).

`interpretation` makes an outcome of an answer by the rules that came with its request, with
the `object_errors` that name objects of the request, and the `notes` on what is odd about a
success; `rate_limit_headers` reads what is left of a plan.
"""

__all__ = ["interpretation", "rate_limit_headers"]
