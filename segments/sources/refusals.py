"""What a source sent and could not be kept, by reason, and sending it in again."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection
from django.db.models import Q

from segments.models import RefusedMessage, Replay, Source

# A reason's messages are counted so far; beyond, there are more.
MOST_COUNTED = 10_000
LATELY = timedelta(hours=1)
# So much of a body is shown, in bytes.
SHOWN = 20_000
# Reasons are a handful of words of ours.
MOST_REASONS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One reason, how many were refused for it, and the newest of them.

    `count` goes to MOST_COUNTED; `is_more` says that there are more.
    """

    code: str
    count: int
    at: datetime
    why: str
    stage: str
    message_id: str
    body: str
    is_cut: bool

    @property
    def called(self) -> str:
        words = self.code.replace("_", " ")
        return words[:1].upper() + words[1:]

    @property
    def is_more(self) -> bool:
        return self.count > MOST_COUNTED

    @property
    def shown(self) -> int:
        return min(self.count, MOST_COUNTED)


def by_reason(source: Source) -> Sequence[Reason]:
    """The reasons for which something of it is refused, the newest first.

    One statement; it reads a row a reason, and of the index what it counts.
    """
    values = {
        "source": source.pk,
        "most": MOST_COUNTED + 1,
        "shown": SHOWN,
        "reasons": MOST_REASONS,
    }
    with connection.cursor() as cursor:
        cursor.execute(BY_REASON, values)
        return [
            Reason(
                code=code,
                count=count,
                at=at,
                why=why,
                stage=RefusedMessage.Stage(stage).label,
                message_id=message_id,
                body=bytes(body).decode(errors="replace"),
                is_cut=is_cut,
            )
            for code, count, at, why, stage, message_id, body, is_cut in cursor
        ]


def replays(source: Source, at: datetime) -> Sequence[Replay]:
    """What is being sent in again, and what was until lately; the newest first."""
    lately = Q(finished_at=None) | Q(finished_at__gt=at - LATELY)
    found = Replay.objects.filter(lately, source=source)
    return list(found.order_by("-pk")[:MOST_REASONS])


# From one reason to the next by the index, instead of by reading all of it. Counting in
# its order keeps the planner from reading the table instead.
BY_REASON = """
WITH RECURSIVE reasons (code, number) AS (
    SELECT min(code), 1 FROM segments_refusedmessage
    WHERE source_id = %(source)s AND replayed_at IS NULL
    UNION ALL
    SELECT (
        SELECT min(m.code) FROM segments_refusedmessage m
        WHERE m.source_id = %(source)s AND m.replayed_at IS NULL AND m.code > r.code
    ), number + 1
    FROM reasons r WHERE r.code IS NOT NULL AND number < %(reasons)s
)
SELECT r.code, counted.number, newest.at, newest.message, newest.stage,
    newest.message_id, substring(newest.body FROM 1 FOR %(shown)s),
    octet_length(newest.body) > %(shown)s
FROM reasons r
CROSS JOIN LATERAL (
    SELECT count(*) AS number FROM (
        SELECT FROM segments_refusedmessage m
        WHERE m.source_id = %(source)s AND m.replayed_at IS NULL AND m.code = r.code
        ORDER BY m.at DESC LIMIT %(most)s
    ) few
) counted
CROSS JOIN LATERAL (
    SELECT * FROM segments_refusedmessage m
    WHERE m.source_id = %(source)s AND m.replayed_at IS NULL AND m.code = r.code
    ORDER BY m.at DESC LIMIT 1
) newest
WHERE r.code IS NOT NULL
ORDER BY newest.at DESC
"""
