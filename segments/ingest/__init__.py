"""From the inbox to people, events and entries."""
