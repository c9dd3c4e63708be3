"""Waiting for what another process does: polling, with a deadline."""

import time
from collections.abc import Callable


def wait_until(is_true: Callable[[], bool], what: str, seconds: float = 120) -> None:
    """Poll with a deadline, which only a machine that is very busy comes near."""
    deadline = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s for {what}"
        time.sleep(0.05)
