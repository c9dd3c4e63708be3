"""Braze's endpoints as presets, by code; each names its page as its `source`."""

from collections.abc import Mapping
from types import MappingProxyType

from externalapi.vendors.braze.presets import catalogs, messages, track, users
from externalapi.vendors.braze.presets.track import TRACK_USERS
from externalapi.vendors.preset import Preset

__all__ = ["PRESETS", "TRACK_USERS"]

PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        preset.code: preset
        for preset in (
            *track.PRESETS,
            *users.PRESETS,
            *messages.PRESETS,
            *catalogs.PRESETS,
        )
    }
)
