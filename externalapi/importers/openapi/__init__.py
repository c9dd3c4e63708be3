"""OpenAPI 3 documents."""
