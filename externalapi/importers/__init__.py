"""Requests that somebody pastes: curl commands, OpenAPI documents, Postman collections."""

__all__ = ["common", "detect", "reader", "to_preset"]
