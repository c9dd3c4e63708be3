"""What JSON can say, as a type."""

from typing import TypeAlias

JSON: TypeAlias = (
    dict[str, "JSON"] | list["JSON"] | str | int | float | bool | None  # noqa: UP037
)
