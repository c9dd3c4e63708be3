"""A definition that is ready but for the connection: what a form starts with."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from externalapi.http.answer_rules import BRAZE, AnswerRules
from externalapi.template.batching import BatchPlan
from externalapi.template.parameters import Parameter


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """Codes are those of the models' choices.

    `group` is what it stands under where presets are picked, `limit` what the other
    side allows, in words, and `source` the page that says all this.
    """

    code: str
    group: str
    name: str
    description: str
    channel: str
    channel_identifier: str
    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    body_kind: str = "json"
    body: str = ""
    plan: BatchPlan = BatchPlan()
    rules: AnswerRules = BRAZE
    parameters: tuple[Parameter, ...] = ()
    limit: str = ""
    source: str = ""
