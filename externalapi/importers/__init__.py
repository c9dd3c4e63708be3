"""Requests that somebody pastes: curl commands, OpenAPI documents, Postman collections."""
