"""A batch as one request, and what came back for it: values that every step shares."""

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from engagements.models import Run
from engagements.outbox.claim import Claim
from engagements.outbox.delivery_records import storable
from engagements.outbox.known import Known, Mark
from engagements.personalization.renderer import Skip
from externalapi.answers import interpretation
from externalapi.answers.interpretation import Outcome, Verdict
from externalapi.answers.rate_limit_headers import Budget, read_budget
from externalapi.http import client
from externalapi.template.batching import Packed
from lemnisk_braze.lib import database_clock

RESPONSE_HEAD = 2_048
NOTHING = Packed(body=b"", item_count=0, owners={})


@dataclass(frozen=True, slots=True, kw_only=True)
class Synced:
    """What a request of an engagement that compares was compared with, and what then is.

    `people`: place → whose state it is; `known`: their states when it was written;
    `marks`: place → what is kept of who is accepted. `saved`: the data points of those
    who are skipped. Of nobody in it anything was known where it `is_new`, and everybody
    has the name of their own.
    """

    epoch: int
    people: Mapping[int, int]
    known: Mapping[int, Known]
    marks: Mapping[int, Mark]
    saved: int = 0
    is_new: bool = False
    # Which transactions had written what was read with it: of one reading, one object.
    writers: Collection[int] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Newer:
    """What speaks for waiting, in a request that writes attributes.

    `since`: (batch, place) → the requests that were accepted after these people's was
    written first, by version and engagement; looked up only for one that `is_repeat`.
    """

    is_repeat: bool = False
    since: Mapping[tuple[int, int], frozenset[tuple[int, str]]] = field(
        default_factory=dict
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedRequest:
    """A batch as one request: who is in it, by place, and who was left out and why.

    `later`: who is put off, by place (outbox.putting_off); they are in neither.
    """

    attempt_id: uuid.UUID
    claim: Claim
    run: Run
    key: str
    places: Sequence[int]
    skipped: Mapping[int, Skip]
    request: client.Request | None = None
    packed: Packed = NOTHING
    # Why these people cannot go into one request; then it is split, not sent.
    refusal: str = ""
    # What somebody goes without that could not be sent, by place.
    notes: Mapping[int, str] = field(default_factory=dict)
    later: Mapping[int, datetime] = field(default_factory=dict)
    # Whether an earlier request may have arrived with whoever is in it (outbox.doubt).
    is_in_doubt: bool = False
    # Where the run has variants: which one each place of the batch gets.
    variants: Sequence[int] = ()
    # Where the engagement compares (engagements.sync).
    synced: Synced | None = None
    # Where it writes attributes (engagements.sync.order).
    newer: Newer | None = None

    @property
    def batch_id(self) -> int:
        return self.claim.batch_id

    @property
    def token(self) -> uuid.UUID:
        return self.claim.token

    @property
    def connection_id(self) -> int:
        return self.run.version.connection_id

    @property
    def left_out(self) -> list[int]:
        """The places of the batch that this request does not take along."""
        return sorted({*self.claim.left_out, *self.skipped, *self.later})

    def filled(self, request: client.Request, packed: Packed) -> "PreparedRequest":
        return replace(self, request=request, packed=packed)

    def noted(self, left_out: Mapping[int, str]) -> "PreparedRequest":
        """With what is left out, by the place of a body."""
        return replace(
            self, notes={self.places[n]: words for n, words in left_out.items()}
        )

    def without(self, skipped: Mapping[int, Skip]) -> "PreparedRequest":
        """The request without those at these positions among its people."""
        return replace(
            self,
            places=[at for n, at in enumerate(self.places) if n not in skipped],
            skipped={
                **self.skipped,
                **{self.places[n]: why for n, why in skipped.items()},
            },
        )

    def refused(self, reason: str) -> "PreparedRequest":
        return replace(self, refusal=reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came of a request."""

    prepared: PreparedRequest
    verdict: Verdict
    status: int | None
    duration_ms: int
    response_head: str
    # What to do about an answer that stops the engagement.
    advice: str = ""
    # What the other side says is left of its rate limit, where it says so.
    budget: Budget | None = None
    # When an answered request had left; what becomes of the answer may take long.
    asked_at: datetime | None = None

    @property
    def is_accepted_whole(self) -> bool:
        """Braze took everybody in the request, and nothing about it is odd."""
        verdict = self.verdict
        return verdict.outcome is Outcome.SENT and not (verdict.errors or verdict.note)

    @classmethod
    def of_answer(cls, prepared: PreparedRequest, answer: client.Answer) -> "Result":
        text = answer.body.decode(errors="replace")
        verdict = _verdict(answer)
        is_blocked = verdict.outcome is Outcome.BLOCKED
        heard_at = database_clock.reckoned()
        return cls(
            prepared=prepared,
            verdict=verdict,
            advice=interpretation.explain(answer, verdict) if is_blocked else "",
            status=answer.status,
            duration_ms=answer.duration_ms,
            response_head=storable(text)[:RESPONSE_HEAD],
            budget=read_budget(answer, heard_at),
            asked_at=heard_at - timedelta(milliseconds=answer.duration_ms),
        )

    @classmethod
    def of_error(
        cls, prepared: PreparedRequest, error: client.TransportError
    ) -> "Result":
        if isinstance(error, client.AmbiguousError):
            outcome = Outcome.AMBIGUOUS
        elif isinstance(error, client.BlockedAddressError):
            outcome = Outcome.BLOCKED
        else:
            outcome = Outcome.NOT_SENT
        return cls(
            prepared=prepared,
            verdict=Verdict(
                outcome=outcome,
                errors=(),
                message=storable(str(error)),
                wait_seconds=None,
            ),
            status=None,
            duration_ms=error.duration_ms,
            response_head="",
        )


def _verdict(answer: client.Answer) -> Verdict:
    """What an answer means, in texts that the database takes."""
    verdict = interpretation.read(answer)
    return replace(
        verdict,
        message=storable(verdict.message),
        doubt=storable(verdict.doubt),
        note=storable(verdict.note),
        errors=tuple(
            replace(error, array=storable(error.array), message=storable(error.message))
            for error in verdict.errors
        ),
    )
