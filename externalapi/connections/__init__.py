"""A connection's keys, its rate plan, who may use it, and who changed what."""
