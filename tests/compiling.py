"""Which process compiles which of the test modules, where several begin at once.

Compiling all of them takes longer than collecting what is in them, and all processes
would do it beside each other. So each imports them from another place on: what one has
compiled is there for the others.
"""

import os
from contextlib import suppress
from importlib import import_module
from pathlib import Path

import pytest

TESTS = Path(__file__).parent


def import_from_another_place(config: pytest.Config) -> None:
    """Import all test modules, where all are asked for and processes share them."""
    process = os.environ.get("PYTEST_XDIST_WORKER", "").removeprefix("gw")
    processes = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    asked = [config.invocation_params.dir / argument for argument in config.args]
    if not process or processes == 1 or asked != [TESTS] or config.option.markexpr:
        return
    modules = sorted(TESTS.rglob("test_*.py"))
    first = int(process) * len(modules) // processes
    for path in (*modules[first:], *modules[:first]):
        # The collection says what is wrong with it.
        with suppress(Exception):
            import_module(
                ".".join(path.relative_to(TESTS.parent).with_suffix("").parts)
            )
