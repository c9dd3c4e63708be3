"""People, what they did, and the segments that they are in."""

from segments.models.dictionary import (
    DictionaryBuild,
    DictionaryEntry,
    NamesSeen,
    ValueType,
)
from segments.models.events import Event
from segments.models.feeds import SourceQuery, WatchedFolder
from segments.models.imports import BadRow, FoundPerson, Import
from segments.models.inbox import (
    InboxMessage,
    InboxRequest,
    IntakeMinute,
    LatestMessages,
    Seen,
)
from segments.models.lists import ListEntry, ListLine, ListUpload, UploadedList
from segments.models.people import Identifier, MergeLog, Profile
from segments.models.privacy import Erasure, Tombstone
from segments.models.segments import (
    LongList,
    LongListValue,
    Membership,
    Proposal,
    Segment,
    SegmentDay,
    SegmentVersion,
    Snapshot,
    SnapshotMember,
    Touched,
    Transition,
)
from segments.models.sources import (
    RefusedMessage,
    Replay,
    Source,
    SourceWarning,
    WriteKey,
)
from segments.models.warehouse import ListFeed

__all__ = [
    "BadRow",
    "Erasure",
    "DictionaryBuild",
    "DictionaryEntry",
    "Event",
    "FoundPerson",
    "Identifier",
    "Import",
    "InboxMessage",
    "InboxRequest",
    "IntakeMinute",
    "LatestMessages",
    "ListEntry",
    "ListFeed",
    "ListLine",
    "ListUpload",
    "LongList",
    "LongListValue",
    "Membership",
    "MergeLog",
    "NamesSeen",
    "Profile",
    "Proposal",
    "RefusedMessage",
    "Replay",
    "Seen",
    "Segment",
    "SegmentDay",
    "SegmentVersion",
    "Snapshot",
    "SnapshotMember",
    "Source",
    "SourceQuery",
    "SourceWarning",
    "Tombstone",
    "Touched",
    "Transition",
    "UploadedList",
    "ValueType",
    "WatchedFolder",
    "WriteKey",
    "copying",
    "signals",
    "stored",
]
