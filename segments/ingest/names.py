"""The dictionary learns what a chunk's messages are made of, with what they say."""

from collections.abc import Sequence

from django.db import Error

from lemnisk_braze.lib.logs import get_logger
from segments.dictionary import folding, observing
from segments.dictionary.expecting import Checked
from segments.ingest.message import Message

logger = get_logger(__name__)


def keep(applied: Sequence[Message], checked: Checked) -> None:
    """Keep the names of what was applied, and what was of another type."""
    folding.keep(observing.of(applied), checked.mismatches)


def add_new() -> None:
    """Let names that are new be in the dictionary at once, when a chunk is committed.

    A mistake in that is told to operators, and stops nobody's messages.
    """
    try:
        folding.add_new()
    except (Error, ValueError) as e:
        logger.error("dictionary.not_kept", exc_info=e)
