"""What people type about connections and External APIs, and the inputs for it."""

__all__ = [
    "batching_and_answers",
    "connection",
    "connection_changes",
    "external_api",
    "test_values",
    "typed_widgets",
    "value_tree",
]
