"""What lists say of a row that can be switched off: a word, not a tick."""

from typing import Any

from unfold.decorators import display

ACTIVE = "Active"
NOT_ACTIVE = "Not active"


@display(  # type: ignore[untyped-decorator]
    description="state",
    ordering="is_active",
    label={ACTIVE: "success", NOT_ACTIVE: "neutral"},
)
def active_badge(row: Any) -> str:
    """A column for a row with `is_active`."""
    return ACTIVE if row.is_active else NOT_ACTIVE
