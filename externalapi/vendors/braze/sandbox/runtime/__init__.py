"""The sandbox's workspace, its clockwork, and the log of requests."""
