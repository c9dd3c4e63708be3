import pytest


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Worlds by number: rules, and people whom they are asked about."""
    if "world" in metafunc.fixturenames:
        count = metafunc.config.getoption("--rule-worlds")
        seed = metafunc.config.getoption("--rule-seed")
        metafunc.parametrize("world", [f"{seed}/{number}" for number in range(count)])
