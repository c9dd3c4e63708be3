"""The demo: people, a site, and the story that it tells."""

__all__ = ["site", "story"]
