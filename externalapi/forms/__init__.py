"""What people type about connections and External APIs, and the inputs for it."""

__all__ = [
    "batching_and_answers",
    "body_check",
    "body_widget",
    "connection",
    "connection_changes",
    "external_api",
    "test_values",
    "typed_widgets",
    "value_tree",
]
