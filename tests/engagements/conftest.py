"""Somebody signed in to the admin, for every test of its pages."""

import pytest
from django.test import Client

from tests import factories


@pytest.fixture
def admin_page(db) -> Client:
    """A browser in which somebody who may do everything is signed in."""
    client = Client()
    client.force_login(factories.make_admin())
    return client
