"""A Braze for the tests: a real sandbox process, one for all, empty for each."""

from collections.abc import Iterator

import pytest
from django.conf import settings as django_settings

from externalapi import secrets
from externalapi.models import Connection
from externalapi.sandbox.process import SandboxProcess
from tests import factories


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--without-browser",
        action="store_true",
        help="leave out the tests that drive a browser",
    )


def pytest_configure() -> None:
    # A password is hashed in every test that signs in: slow on purpose, elsewhere.
    django_settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(scope="session")
def sandbox_process() -> Iterator[SandboxProcess]:
    with SandboxProcess() as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(sandbox_process: SandboxProcess, settings) -> SandboxProcess:
    """An empty Braze sandbox that the guarded client may dial."""
    sandbox_process.reset()
    settings.ALLOWED_LOCAL_ADDRESSES = [f"127.0.0.1:{sandbox_process.port}"]
    return sandbox_process


@pytest.fixture
def braze(db, sandbox: SandboxProcess) -> Connection:
    """A connection to the sandbox, with its key."""
    connection = factories.make_connection(base_url=sandbox.url)
    secrets.set_key(connection, sandbox.key)
    return connection
