"""The admin's pages of people, their data and their segments."""

from segments.admin.data import EventAdmin, InboxRequestAdmin
from segments.admin.dictionary import DictionaryEntryAdmin
from segments.admin.erasure import ErasureAdmin
from segments.admin.feeds import SourceQueryAdmin, WatchedFolderAdmin
from segments.admin.imports import ImportAdmin
from segments.admin.lists.pages import UploadedListAdmin
from segments.admin.profile import ProfileAdmin
from segments.admin.segment import SegmentAdmin
from segments.admin.source import SourceAdmin

__all__ = [
    "DictionaryEntryAdmin",
    "ErasureAdmin",
    "EventAdmin",
    "ImportAdmin",
    "InboxRequestAdmin",
    "ProfileAdmin",
    "SegmentAdmin",
    "SourceAdmin",
    "SourceQueryAdmin",
    "UploadedListAdmin",
    "WatchedFolderAdmin",
]
