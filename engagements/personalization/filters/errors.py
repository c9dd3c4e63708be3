"""Why a filter gives nothing for a person."""


class FilterError(ValueError):
    """A value that a filter cannot take; the sentence is for the one who wrote it."""
