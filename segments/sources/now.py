"""How a source is doing: whether anything has come, the last day, the last messages."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from django.db import connection

from lemnisk_braze.lib import database_clock
from segments.models import Event, LatestMessages, Replay, Source, SourceWarning
from segments.people import display
from segments.sources import activity, refusals, trial
from segments.sources.activity import Activity
from segments.sources.refusals import Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Latest:
    """One of the last messages, as it came: `words` is what it is, `text` all it says."""

    words: str
    received_at: datetime
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A test event: applied, refused for a reason, or still on its way."""

    event: Event | None
    refusal: Reason | None

    @property
    def is_pending(self) -> bool:
        return self.event is None and self.refusal is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Now:
    """`last_at` is None before the first message was applied.

    `is_waiting_for_worker`: something was accepted, and nobody has applied it yet.
    """

    source: Source
    at: datetime
    has_keys: bool
    last_at: datetime | None
    is_waiting_for_worker: bool
    day: Activity
    latest: Sequence[Latest]
    reasons: Sequence[Reason]
    replays: Sequence[Replay]
    warnings: Sequence[SourceWarning]
    trial: Trial | None

    @property
    def state(self) -> str:
        if not self.source.is_active:
            return "off"
        if self.last_at is None:
            return "waiting" if self.has_keys else "keyless"
        return "live"

    @property
    def turns(self) -> bool:
        """Whether something is about to come that the page should show by itself."""
        is_tried = self.trial is not None and self.trial.is_pending
        return self.state == "waiting" or is_tried or bool(self.replaying)

    @property
    def replaying(self) -> set[str]:
        """The reasons of what is being sent in again."""
        return {one.code for one in self.replays if one.finished_at is None}


def read(source: Source, message_id: str = "") -> Now:
    """All of it, in a fixed number of statements; `message_id`: that of a test event."""
    latest = LatestMessages.objects.filter(source=source).first()
    reasons = refusals.by_reason(source)
    at = database_clock.now()
    return Now(
        source=source,
        at=at,
        has_keys=source.write_keys.filter(revoked_at=None).exists(),
        last_at=latest.last_at if latest else None,
        is_waiting_for_worker=_is_in_the_inbox(source),
        day=activity.read(source, at),
        latest=[_read(text) for text in reversed(latest.messages)] if latest else [],
        reasons=reasons,
        replays=refusals.replays(source, at),
        warnings=list(source.warnings.order_by("-last_at")),
        trial=_trial(message_id, reasons) if message_id else None,
    )


def _trial(message_id: str, reasons: Sequence[Reason]) -> Trial:
    event = trial.find(message_id)
    refused = (reason for reason in reasons if reason.message_id == message_id)
    return Trial(event=event, refusal=None if event else next(refused, None))


def _read(text: str) -> Latest:
    said: dict[str, Any] = orjson.loads(text)
    what = said.get("event") or str(said.get("type", "")).capitalize()
    who = said.get("userId") or said.get("anonymousId") or ""
    return Latest(
        words=f"{what} – {who}" if who else what,
        received_at=datetime.fromisoformat(said["receivedAt"]),
        text=display.as_json(said, indent=2),
    )


def _is_in_the_inbox(source: Source) -> bool:
    """Whether something of it is among what came last; the inbox has no index for it."""
    with connection.cursor() as cursor:
        cursor.execute(IN_THE_INBOX, [NEWEST, source.pk])
        return bool(cursor.fetchone()[0])


NEWEST = 1_000
IN_THE_INBOX = """
SELECT EXISTS (
    SELECT FROM (
        SELECT source_id FROM segments_inboxrequest ORDER BY id DESC LIMIT %s
    ) newest WHERE source_id = %s
)
"""
