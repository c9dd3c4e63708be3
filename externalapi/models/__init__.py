"""Where an API lives, what a request to it looks like, and each test of it."""

from externalapi.models.connection import Connection, ConnectionGroup
from externalapi.models.external_api import (
    ConfigurationTest,
    ExternalAPI,
    ExternalAPIQuerySet,
    ExternalAPIVersion,
    TestCase,
)

__all__ = [
    "ConfigurationTest",
    "Connection",
    "ConnectionGroup",
    "ExternalAPI",
    "ExternalAPIQuerySet",
    "ExternalAPIVersion",
    "TestCase",
    "usage",
]
