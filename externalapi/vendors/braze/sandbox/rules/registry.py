"""What exists in the workspace beside people: groups, campaigns, Canvases, catalogs.

At Braze they are made in the dashboard. Here they are options of the start, and as
long as no group, campaign or Canvas is named, every ID in the right form counts as
known, so that nothing has to be set up to try a request. A catalog has to exist.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from externalapi.vendors.braze.sandbox.rules.catalogs import Catalog

ACTIVE = "active"


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A subscription group; `channel` is email, sms or empty (takes both)."""

    id: str
    name: str = ""
    channel: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    id: str
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Canvas:
    """`state` is active, paused or archived."""

    id: str
    name: str = ""
    state: str = ACTIVE


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    groups: Mapping[str, Group] = field(default_factory=dict)
    campaigns: Mapping[str, Campaign] = field(default_factory=dict)
    canvases: Mapping[str, Canvas] = field(default_factory=dict)
    # Without items: what every workspace starts with. Requests can create more.
    catalogs: Mapping[str, Catalog] = field(default_factory=dict)

    def group(self, identifier: object) -> Group | None:
        if self.groups or not is_uuid(identifier):
            return self.groups.get(str(identifier))
        return Group(id=str(identifier))

    def campaign(self, identifier: object) -> Campaign | None:
        if self.campaigns or not is_uuid(identifier):
            return self.campaigns.get(str(identifier))
        return Campaign(id=str(identifier))

    def canvas(self, identifier: object) -> Canvas | None:
        if self.canvases or not is_uuid(identifier):
            return self.canvases.get(str(identifier))
        return Canvas(id=str(identifier))


def is_uuid(text: object) -> bool:
    """The form of Braze's own identifiers."""
    try:
        return str(UUID(str(text))) == str(text).lower()
    except ValueError:
        return False
