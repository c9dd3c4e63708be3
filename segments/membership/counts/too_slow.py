"""Rules that took too long to count just now: the next like them is not tried.

While somebody writes a rule it is asked about at each change. Where counting everybody
takes longer than they wait, trying it again with the next letter would only keep them
from the estimate. Each process learns it by itself.
"""

import time
from collections import OrderedDict
from typing import Any

# In seconds: data and machine change, so that it is tried again.
REMEMBERED = 300
# As many as are being written at a time, and more.
MOST = 1_000

_until: OrderedDict[str, float] = OrderedDict()


def remember(rule: dict[str, Any]) -> None:
    """Let the next minutes' rules of this shape be estimated at once."""
    shape = shape_of(rule)
    _until[shape] = time.monotonic() + REMEMBERED
    _until.move_to_end(shape)
    while len(_until) > MOST:
        _until.popitem(last=False)


def is_remembered(rule: dict[str, Any]) -> bool:
    """Whether a rule of this shape took too long a few minutes ago."""
    return _until.get(shape_of(rule), 0) > time.monotonic()


def shape_of(rule: object) -> str:
    """A rule without what is typed into it: how many people it reads, not which.

    Names and operators stay, values go; of a list the length in digits is left.
    """
    if isinstance(rule, dict):
        parts = (
            f"{key}:{part if key in _SAID else shape_of(part)}"
            for key, part in sorted(rule.items())
        )
        return f"{{{','.join(parts)}}}"
    if isinstance(rule, list):
        if any(isinstance(part, dict) for part in rule):
            return f"[{','.join(map(shape_of, rule))}]"
        return f"[{len(str(len(rule)))}]"
    return "_"


# What decides what is read.
_SAID = {"attribute", "event", "property", "is", "pick", "segment", "list", "snapshot"}
