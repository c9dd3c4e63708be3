"""What was accepted and cannot be applied: kept with its reason, to be sent in again."""

import re
from collections.abc import Sequence

from lemnisk_braze.lib.logs import get_logger
from segments.dictionary.expecting import WrongTypeError
from segments.identity import tombstones
from segments.identity.people import ErasedError, TooMuchError
from segments.ingest.message import Message, Refusal, refusal
from segments.models import RefusedMessage

logger = get_logger(__name__)

NOT_APPLICABLE = "cannot_be_applied"
ERASED = tombstones.REASON
CODES = {TooMuchError: "too_much", WrongTypeError: "wrong_type"}
MAX_REASON = 500
# How the IDs of an import's messages begin; the line of its file comes after it.
_OF_IMPORT = re.compile(r"import-\d{1,19}-")


def by_error(message: Message, error: Exception) -> Refusal:
    """The refusal of a message that an error stood alone with.

    Of one about somebody who was erased nothing is kept but that it came, and in which
    import.
    """
    if isinstance(error, ErasedError):
        return _about_nobody(message)
    logger.warning("inbox.refused", source_id=message.source_id, exc_info=error)
    return refusal(message, CODES.get(type(error), NOT_APPLICABLE), reason(error))


def keep(refusals: Sequence[Refusal]) -> None:
    """Write them down; of one that names who was erased only that it came."""
    erased = tombstones.named_in([one.body for one in refusals])
    kept = [
        _about_nobody(one) if is_erased else one
        for one, is_erased in zip(refusals, erased, strict=True)
    ]
    RefusedMessage.objects.bulk_create(
        RefusedMessage(
            source_id=one.source_id,
            stage=RefusedMessage.Stage.APPLYING,
            code=one.code,
            message=_storable(one.why),
            message_id=_storable(one.message_id)[:255],
            kind=_storable(one.kind)[:16],
            body=one.body,
            import_id=one.import_id,
        )
        for one in kept
    )


def _about_nobody(one: Message | Refusal) -> Refusal:
    found = _OF_IMPORT.match(one.message_id)
    return Refusal(
        source_id=one.source_id,
        message_id=found[0] if found else "",
        kind="",
        code=ERASED,
        why=str(ErasedError()),
        body=b"",
        import_id=one.import_id,
    )


def reason(error: Exception) -> str:
    """The first line of what an error says, as a text that can be stored."""
    line = next(iter(str(error).strip().splitlines()), "") or type(error).__name__
    return _storable(line)[:MAX_REASON]


def _storable(text: object) -> str:
    shown = str(text).replace("\0", "\N{REPLACEMENT CHARACTER}")
    return shown.encode(errors="replace").decode()
