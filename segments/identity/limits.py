"""How much one person may be told."""

# What one person may have, in all messages together.
MAX_ATTRIBUTES = 1_000
MAX_BYTES = 256 << 10
# A list that is changed object by object, with its changes; Braze takes as much.
MAX_LIST_BYTES = 100 << 10
# So many names of attributes that were taken away are remembered, the newest.
MAX_GONE = 1_000


class TooMuchError(Exception):
    """A person would have more attributes than one may have."""
