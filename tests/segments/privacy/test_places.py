"""Every column that could hold a person's data is looked after, or says why it need not."""

from typing import Any

import pytest
from django.apps import apps
from django.contrib.postgres.fields import ArrayField
from django.db.models import (
    BinaryField,
    CharField,
    ForeignKey,
    GeneratedField,
    JSONField,
    TextField,
)

from segments.models import Profile
from segments.privacy import places

# They go with the row of the person, with their identifiers, events and messages' IDs.
WITH_THE_PERSON = {
    "segments.Profile",
    "segments.Identifier",
    "segments.MergeLog",
    "segments.Event",
    "segments.Membership",
    "segments.Transition",
    "segments.SnapshotMember",
    "segments.LatestMessages",
    # engagements.audience.erasure, held by tests/faults/test_erased.py
    "engagements.Delivery",
    "engagements.SentBefore",
    "engagements.Accepted",
    "engagements.TakenIn",
    "engagements.SentLately",
    "engagements.Batch",
    "engagements.Attempt",
}
# Without personal data: what people write about the product's own things, its settings
# and state, and accounts of those who work with it.
OWN_WORDS = {
    "segments.Source",
    "segments.WriteKey",
    "segments.Replay",
    "segments.Proposal",
    "segments.SegmentVersion",
    "segments.Snapshot",
    "segments.ListFeed",
    "segments.Tombstone",
    "segments.DictionaryBuild",
    "externalapi.Connection",
    "externalapi.ConnectionGroup",
    "externalapi.ExternalAPI",
    "externalapi.ExternalAPIVersion",
    "engagements.Sample",
    "engagements.SuppressedChannels",
    "engagements.ConsentRule",
    "engagements.GlobalHoldout",
    "engagements.FrequencyCap",
    "engagements.Chore",
    "auth.Permission",
    "auth.Group",
    "auth.User",
    "contenttypes.ContentType",
    "sessions.Session",
    "axes.AccessFailureLog",
    "axes.AccessAttempt",
    "axes.AccessLog",
}
# What somebody said once of all files that a folder or a query brings; how far it is.
FEED = {
    "name",
    "makes",
    "event",
    "columns",
    "empty",
    "zone",
    "country",
}
# The same of single columns, in tables of which others are looked after.
OWN_WORDS_IN = {
    "segments.RefusedMessage": {"stage", "code", "kind"},
    "segments.InboxMessage": {"kind"},
    "segments.SourceWarning": {"code"},
    "segments.DictionaryEntry": {
        "kind",
        "sources",
        "day_types",
        "day_before_types",
        "types",
        "looks_personal",
        "description",
        "owner",
        "expected_type",
        "on_mismatch",
    },
    "segments.Segment": {
        "name",
        "description",
        "rule",
        "event_names",
        "reads_segments",
        "tags",
    },
    "segments.UploadedList": {"name", "kind"},
    "segments.ListUpload": {
        "mode",
        "state",
        "name",
        "path",
        "format",
        "found",
        # Ids of rows, which say nothing of who is gone.
        "sample",
    },
    "segments.ListLine": {"kind"},
    "segments.Import": {
        "name",
        "state",
        "phase",
        "path",
        "digest",
        "encoding",
        "format",
        "said",
        "watermark",
    },
    "segments.FoundPerson": {"kind"},
    "segments.WatchedFolder": FEED | {"path", "seen"},
    "segments.SourceQuery": FEED
    | {
        "kind",
        "address_encrypted",
        "address_shown",
        "query",
        "watermark_column",
        "watermark",
    },
    # Emptied when all is done: test_erasure.
    "segments.Erasure": {
        "asked_through",
        "state",
        "went",
        "keys",
        "people",
        "done",
        "problem",
        "also_at",
        "answer",
    },
    "externalapi.TestCase": {"outcome", "answer_path"},
    # `profile`: they go with the person.
    "engagements.Suppression": {"kind", "channels", "profile"},
    # Templates, filled for each person when they are sent.
    "engagements.Engagement": {
        "name",
        "description",
        "values",
        "variants",
        "trigger",
        "delay_unit",
        "most_events_per",
        "repeat",
        "time_zone",
        "again",
        "ambiguous_policy",
        "quiet_action",
        "sync_mode",
        "cron",
        "weekdays",
        "zone_attribute",
        "quiet_zone_attribute",
        "quiet_time_zone",
        "state",
        # Ids of users.
        "changed_by",
    },
    # As the engagement and its segments have it.
    "engagements.Approval": {"state", "content", "digest"},
    "engagements.Run": {"values", "variants", "slot", "state", "own_zone", "trigger"},
    "engagements.Worker": {"name", "node", "mark"},
}
# Numbers that say nothing by themselves: hashes, and ids of rows that are gone.
FREE = {
    "segments.Seen": {"key"},
    "segments.Touched": {"profile_id"},
    "segments.LongList": {"digest"},
    "segments.LongListValue": {"key"},
    "engagements.JustSent": {"profile_id"},
    "admin.LogEntry": {"object_id"},
}
MODELS = list(apps.get_models(include_auto_created=True))
HOLDS_TEXT = (ArrayField, BinaryField, CharField, GeneratedField, JSONField, TextField)


def could_hold_some(field: Any) -> bool:
    if isinstance(field, ForeignKey):
        return field.related_model is Profile
    return isinstance(field, HOLDS_TEXT) or field.name in ("profile_id", "key")


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
def test_every_column_that_could_hold_a_person_s_data_is_looked_after(model):
    """A new one belongs into a place (segments.privacy.places), or into a list above."""
    label = model._meta.label
    if label in WITH_THE_PERSON | OWN_WORDS:
        return
    covered = set(OWN_WORDS_IN.get(label, ()))
    for place in places.all_places():
        covered |= set(place.columns.get(model, ()))
    found = {f.name for f in model._meta.concrete_fields if could_hold_some(f)}
    assert found - covered - FREE.get(label, set()) == set()


def test_the_lists_name_nothing_that_is_not_there():
    known = {model._meta.label: model for model in MODELS}
    assert WITH_THE_PERSON | OWN_WORDS | OWN_WORDS_IN.keys() | FREE.keys() <= set(known)
    for label, columns in OWN_WORDS_IN.items():
        assert columns <= {f.name for f in known[label]._meta.concrete_fields}


def test_no_two_places_are_called_the_same():
    labels = [place.label for place in places.all_places()]
    assert len(labels) == len(set(labels)) > 10
