"""The dictionary learns what a chunk's messages are made of, with what they say."""

from collections.abc import Sequence

from django.db import Error, transaction

from lemnisk_braze.lib.database_errors import About, about
from lemnisk_braze.lib.logs import get_logger
from segments.dictionary import observing, writing
from segments.dictionary.expecting import Checked
from segments.ingest.message import Message

logger = get_logger(__name__)


def keep(applied: Sequence[Message], checked: Checked) -> None:
    """Count the names of what was applied, and what was of another type.

    A mistake in that is told to operators, and stops nobody's messages.
    """
    try:
        with transaction.atomic():
            writing.add(observing.of(applied))
            writing.add_mismatches(checked.mismatches)
    except (Error, ValueError) as e:
        if about(e) is About.CONNECTION:
            raise
        logger.error("dictionary.not_kept", exc_info=e)
