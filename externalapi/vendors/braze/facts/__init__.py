"""What Braze's documentation says: endpoints, limits, instances, errors."""
