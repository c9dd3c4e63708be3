"""Definitions that are ready but for the connection's key.

Track Users is the one of Braze's page for this integration: a person's attributes and
an event, with the parameters that its pictures show.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from externalapi.answer_rules import BRAZE, AnswerRules
from externalapi.batching import PLANS, BatchPlan
from externalapi.braze.endpoints import TRACK
from externalapi.parameters import Level, Parameter, ParameterType


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """What a form starts with; codes are those of the models' choices."""

    code: str
    name: str
    description: str
    channel: str
    channel_identifier: str
    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""
    plan: BatchPlan
    rules: AnswerRules = BRAZE
    parameters: tuple[Parameter, ...]


TRACK_USERS = Preset(
    code="braze_track_users",
    name="Braze Track Users",
    description="Sends a person's attributes and an event to Braze.",
    channel="customer_data",
    channel_identifier="external_id",
    method="POST",
    path=TRACK.path,
    headers=MappingProxyType({"Content-Type": "application/json"}),
    body="""\
{
  "attributes": [
    {
      "external_id": {{External ID}},
      "first_name": {{Name of the User}},
      "email": {{Email}}
    }
  ],
  "events": [
    {
      "external_id": {{External ID}},
      "name": "lead_submitted",
      "time": {{Event Time}},
      "properties": {
        "product_id": {{Product ID}}
      }
    }
  ]
}
""",
    plan=PLANS["braze_75_combined"],
    rules=replace(BRAZE, permission=TRACK.permission),
    parameters=(
        Parameter(name="External ID", level=Level.IDENTIFIER),
        Parameter(name="Name of the User"),
        Parameter(name="Email", required=False),
        Parameter(name="Event Time", type=ParameterType.DATETIME),
        Parameter(name="Product ID"),
    ),
)

PRESETS: Mapping[str, Preset] = MappingProxyType({TRACK_USERS.code: TRACK_USERS})
