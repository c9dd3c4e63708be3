"""What Braze's presets share: the endpoint's own facts, and the parameters of people."""

from dataclasses import replace
from typing import Any

from externalapi.http.answer_rules import BRAZE
from externalapi.template.batching import BatchPlan
from externalapi.template.parameters import Level, Parameter, ParameterType
from externalapi.vendors.braze.facts.endpoints import Endpoint, Limit
from externalapi.vendors.preset import Preset

DOCS = "https://www.braze.com/docs/api/endpoints/"

EXTERNAL_ID = Parameter(
    name="External ID", level=Level.IDENTIFIER, example="customer-4711"
)
EVENT_TIME = Parameter(
    name="Event Time", type=ParameterType.DATETIME, example="2025-01-31T09:30:00Z"
)


def braze_preset(
    endpoint: Endpoint,
    *,
    channel: str = "customer_data",
    channel_identifier: str = "external_id",
    plan: BatchPlan,
    objects: str,
    **fields: Any,
) -> Preset:
    """A preset of one endpoint; `objects` says in words what a request may hold.

    How it answers is known by its address (endpoint_answers).
    """
    return Preset(
        channel=channel,
        channel_identifier=channel_identifier,
        method=endpoint.method,
        path=fields.pop("path", endpoint.path),
        headers={"Content-Type": "application/json"},
        plan=plan,
        rules=replace(BRAZE, permission=endpoint.permission),
        limit=f"{objects}; {rate(endpoint.limit)}",
        source=DOCS + endpoint.page,
        **fields,
    )


def rate(limit: Limit) -> str:
    """A rate limit in words."""
    windows = {1: "a second", 60: "a minute", 3600: "an hour"}
    window = windows.get(limit.seconds, f"in {limit.seconds} seconds")
    return f"{limit.requests:,} requests {window}"
