"""How: connections, External APIs, and the one way out."""
