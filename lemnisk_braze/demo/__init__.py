"""The demo: people, a site, and the story that it tells."""
