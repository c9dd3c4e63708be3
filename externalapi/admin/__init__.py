"""Connections, External APIs and the Test API page."""

from externalapi.admin.connection import ConnectionAdmin
from externalapi.admin.external_api import ExternalAPIAdmin

__all__ = ["ConnectionAdmin", "ExternalAPIAdmin"]
