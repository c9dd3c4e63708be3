"""A sandbox process for these tests; they need neither Django nor a database."""

from collections.abc import Iterator

import pytest

from externalapi.vendors.braze.sandbox.process import SandboxProcess


@pytest.fixture(scope="session")
def sandbox_process() -> Iterator[SandboxProcess]:
    with SandboxProcess() as sandbox:
        yield sandbox
        assert sandbox.complaints() == ""


@pytest.fixture
def sandbox(sandbox_process: SandboxProcess) -> SandboxProcess:
    sandbox_process.reset()
    return sandbox_process
