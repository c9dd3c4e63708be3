"""Looking for circles among objects, where very many are made and none is in one."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

# In objects that were made, and are there: after so many Python looks, at the earliest.
SELDOM = 200_000


@contextmanager
def seldom_collected() -> Iterator[None]:
    """Look seldom: among rows and messages it costs as much as reading them.

    It holds for the whole process.
    """
    before = gc.get_threshold()
    gc.set_threshold(max(SELDOM, before[0]), *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
