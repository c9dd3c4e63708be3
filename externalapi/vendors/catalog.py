"""All presets by code, and as they are picked: by what they are for."""

from collections.abc import Mapping
from itertools import groupby
from types import MappingProxyType

from externalapi.vendors import generic
from externalapi.vendors.braze.presets.all import PRESETS as BRAZE_PRESETS
from externalapi.vendors.preset import Preset

PRESETS: Mapping[str, Preset] = MappingProxyType(
    {**BRAZE_PRESETS, **{preset.code: preset for preset in generic.PRESETS}}
)


def grouped() -> list[tuple[str, list[Preset]]]:
    """Return the presets under the words that they stand under, in order."""
    by_group = groupby(PRESETS.values(), key=lambda preset: preset.group)
    return [(group, list(presets)) for group, presets in by_group]
