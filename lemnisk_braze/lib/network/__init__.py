"""Where a connection may lead: whoever opens one looks a host up, and asks, here."""
