from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from segments.models import Source
from segments.tracking import write_keys
from tests import factories


@pytest.fixture
def source(db) -> Source:
    return factories.make_source(name="Shop")


@pytest.fixture
def key(source: Source) -> str:
    return write_keys.issue(source)


@pytest.fixture
def page(admin_client: Client, source: Source):
    """The source's page, or another of its pages, as an administrator or somebody else."""

    def page(name: str = "change", *args: Any, client: Client = admin_client, **query):
        url = reverse(f"admin:segments_source_{name}", args=[source.pk, *args])
        return client.get(url, query)

    return page
