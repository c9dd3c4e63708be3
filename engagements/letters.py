"""A batch as one request, and what came back for it."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from engagements.models import Run
from engagements.rendering import Skip
from externalapi import answers, client, secrets
from externalapi.answers import Outcome, Verdict
from externalapi.batching import Packed

RESPONSE_HEAD = 2_048


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A batch as one request: who is in it, in order, and who was left out and why."""

    attempt_id: uuid.UUID
    batch_id: int
    token: uuid.UUID
    run: Run
    key: str
    skipped: Mapping[int, Skip]
    delivery_ids: Sequence[int]
    request: client.Request | None = None
    owners: Mapping[tuple[str, int], int] | None = None
    item_count: int = 0
    # Why these people cannot go into one request; then it is split, not sent.
    refusal: str = ""

    def filled(self, request: client.Request, packed: Packed) -> "Letter":
        return replace(
            self, request=request, owners=packed.owners, item_count=packed.item_count
        )

    def refused(self, reason: str) -> "Letter":
        return replace(self, refusal=reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came of a letter."""

    letter: Letter
    verdict: Verdict
    status: int | None
    duration_ms: int
    response_head: str
    # What to do about an answer that stops the engagement.
    advice: str = ""

    @property
    def is_accepted_whole(self) -> bool:
        """Braze took everybody in the letter."""
        return self.verdict.outcome is Outcome.SENT and not self.verdict.errors

    @classmethod
    def of_answer(cls, letter: Letter, answer: client.Answer) -> "Result":
        # Masked before it is cut: half a key is not found any more.
        text = secrets.redact(answer.body.decode(errors="replace"), letter.key)
        verdict = _verdict(answer)
        is_blocked = verdict.outcome is Outcome.BLOCKED
        return cls(
            letter=letter,
            verdict=verdict,
            advice=answers.explain(answer, verdict) if is_blocked else "",
            status=answer.status,
            duration_ms=answer.duration_ms,
            response_head=_storable(text)[:RESPONSE_HEAD],
        )

    @classmethod
    def of_error(cls, letter: Letter, error: client.TransportError) -> "Result":
        if isinstance(error, client.AmbiguousError):
            outcome = Outcome.AMBIGUOUS
        elif isinstance(error, client.BlockedAddressError):
            outcome = Outcome.BLOCKED
        else:
            outcome = Outcome.NOT_SENT
        return cls(
            letter=letter,
            verdict=Verdict(
                outcome=outcome, errors=(), message=str(error), wait_seconds=None
            ),
            status=None,
            duration_ms=error.duration_ms,
            response_head="",
        )


def _verdict(answer: client.Answer) -> Verdict:
    """What an answer means, in texts that the database takes.

    One with a body that nobody can read means what its status says: its oddity must
    not cost the answers that are recorded with it.
    """
    try:
        verdict = answers.read(answer)
    except (ValueError, TypeError, RecursionError):
        verdict = answers.read(replace(answer, body=b""))
    return replace(
        verdict,
        message=_storable(verdict.message),
        errors=tuple(
            replace(
                error, array=_storable(error.array), message=_storable(error.message)
            )
            for error in verdict.errors
        ),
    )


def _storable(text: str) -> str:
    """PostgreSQL's texts hold every character but this one."""
    return text.replace("\0", "�")
