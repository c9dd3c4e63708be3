"""What is set up for all engagements: one look for whatever is written together."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import orjson
from django.db import connection

from engagements.models import ConsentRule, FrequencyCap, SuppressedChannels

# All but the last are looks into tables or indexes that are empty where nothing is set.
LOOK = """
    SELECT ARRAY(SELECT id FROM segments_segment WHERE is_suppression),
        EXISTS (SELECT FROM engagements_suppression),
        EXISTS (SELECT FROM engagements_consentrule),
        EXISTS (SELECT FROM engagements_globalholdout WHERE share > 0),
        EXISTS (SELECT FROM engagements_frequencycap WHERE is_active)
"""
# What little there is of it, and which rows the caps are: none is twice the same.
SET_UP = """
    SELECT (SELECT json_object_agg(id, channel) FROM externalapi_externalapi
            WHERE channel <> '')::text,
        (SELECT json_build_array(share, salt) FROM engagements_globalholdout
            ORDER BY id LIMIT 1)::text,
        ARRAY(SELECT concat_ws(' ', id, xmin, ctid) FROM engagements_frequencycap
            WHERE is_active ORDER BY id)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """The attribute that says yes, and what means yes, as text."""

    attribute: str
    values: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Holdout:
    """A share in percent, and what draws it."""

    share: float
    salt: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """`channels`: those of External APIs by id, read where something depends on them.

    `segments`: suppression segments by id, and their channels; none are all.
    `has_suppressions`: whether somebody is on the list by themselves.
    """

    segments: Mapping[int, Collection[str]]
    has_suppressions: bool
    consent: Mapping[str, Consent]
    holdout: Holdout | None
    caps: Sequence[FrequencyCap]
    channels: Mapping[int, str]

    def suppressing(self, channel: str) -> list[int]:
        """The segments whose people are sent nothing through the channel."""
        found = self.segments.items()
        return [id for id, only in found if not only or channel in only]


NOTHING = Site(
    segments={},
    has_suppressions=False,
    consent={},
    holdout=None,
    caps=(),
    channels={},
)


def look() -> Site:
    """One statement where nothing is set up, and a few small ones where something is."""
    with connection.cursor() as cursor:
        cursor.execute(LOOK)
        segments, has_suppressions, has_consent, has_holdout, has_caps = (
            cursor.fetchone()
        )
    if not (segments or has_suppressions or has_consent or has_holdout or has_caps):
        return NOTHING
    with connection.cursor() as cursor:
        cursor.execute(SET_UP)
        channels, holdout, caps = cursor.fetchone()
    by_id = orjson.loads(channels) if channels else {}
    share, salt = orjson.loads(holdout) if holdout else (0, "")
    return Site(
        segments=_channels_of(segments) if segments else {},
        has_suppressions=has_suppressions,
        consent=_consent() if has_consent else {},
        holdout=Holdout(share=share, salt=salt) if share else None,
        caps=_caps(tuple(caps)),
        channels={int(id): channel for id, channel in by_id.items()},
    )


def _channels_of(segments: Sequence[int]) -> Mapping[int, Collection[str]]:
    rows = SuppressedChannels.objects.filter(segment__in=segments)
    only = dict(rows.values_list("segment_id", "channels"))
    return {id: only.get(id, ()) for id in segments}


@lru_cache(maxsize=8)
def _caps(rows: tuple[str, ...]) -> Sequence[FrequencyCap]:
    """The caps in force, which are these rows; read anew where one is another."""
    return (
        list(FrequencyCap.objects.filter(is_active=True).order_by("pk")) if rows else ()
    )


def _consent() -> Mapping[str, Consent]:
    return {
        rule.channel: Consent(attribute=rule.attribute, values=rule.values)
        for rule in ConsentRule.objects.all()
    }
