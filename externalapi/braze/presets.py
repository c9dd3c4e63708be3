"""Braze's endpoints as presets, by code; each names its page as its `source`."""

from collections.abc import Mapping
from types import MappingProxyType

from externalapi.braze import (
    preset_catalogs,
    preset_messages,
    preset_track,
    preset_users,
)
from externalapi.braze.preset_track import TRACK_USERS
from externalapi.preset import Preset

__all__ = ["PRESETS", "TRACK_USERS"]

PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        preset.code: preset
        for preset in (
            *preset_track.PRESETS,
            *preset_users.PRESETS,
            *preset_messages.PRESETS,
            *preset_catalogs.PRESETS,
        )
    }
)
