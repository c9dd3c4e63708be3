"""What Braze's documentation says: endpoints, limits, instances, errors."""

__all__ = [
    "catalogs",
    "contract",
    "endpoint_answers",
    "endpoints",
    "instances",
    "refusals",
]
