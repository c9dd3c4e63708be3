"""An External API's versions: compiled, compared, renamed, archived."""

__all__ = [
    "archive",
    "comparison",
    "compiled",
    "diff",
    "renames",
    "validity",
    "versions",
]
