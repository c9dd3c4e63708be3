"""The admin's pages of people, their data and their segments."""

from segments.admin.data import EventAdmin, InboxMessageAdmin
from segments.admin.imports import ImportAdmin
from segments.admin.profile import ProfileAdmin
from segments.admin.segment import SegmentAdmin
from segments.admin.source import SourceAdmin

__all__ = [
    "EventAdmin",
    "ImportAdmin",
    "InboxMessageAdmin",
    "ProfileAdmin",
    "SegmentAdmin",
    "SourceAdmin",
]
