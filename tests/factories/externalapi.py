"""Connections, External APIs, their versions and tests."""

import hashlib
import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from externalapi.models import (
    ConfigurationTest,
    Connection,
    ExternalAPI,
    ExternalAPIVersion,
)
from externalapi.template.batching import PLANS

_number = itertools.count(1)


# Track Users with one parameter that each engagement fills and one of the profile.
BODY: Mapping[str, object] = {
    "attributes": [
        {
            "external_id": "{{User ID}}",
            "first_name": "{{Name of the User}}",
            "plan": "{{Plan}}",
        }
    ]
}


def parameter(
    name: str,
    *,
    type: str = "text",
    level: str = "engagement",
    required: bool = True,
    default: str = "",
    value: str = "",
) -> dict[str, object]:
    """One row of ExternalAPIVersion.parameters."""
    return {
        "name": name,
        "type": type,
        "level": level,
        "required": required,
        "default": default,
        "value": value,
    }


PARAMETERS: Sequence[Mapping[str, object]] = (
    parameter("User ID", level="identifier"),
    parameter("Name of the User"),
    parameter("Plan", required=False, default="free"),
)


def make_connection(
    base_url: str = "https://rest.fra-01.braze.eu", **fields: Any
) -> Connection:
    fields.setdefault("name", f"Braze {next(_number)}")
    return Connection.objects.create(base_url=base_url, **fields)


def make_external_api(**fields: Any) -> ExternalAPI:
    fields.setdefault("name", f"Track Users {next(_number)}")
    return ExternalAPI.objects.create(**fields)


def make_version(
    body: Mapping[str, object] | str = BODY,
    parameters: Iterable[Mapping[str, object]] = PARAMETERS,
    *,
    external_api: ExternalAPI | None = None,
    connection: Connection | None = None,
    headers: Mapping[str, str] | None = None,
    batching: str = "braze_75_combined",
    **fields: Any,
) -> ExternalAPIVersion:
    """A version that is its External API's current one.

    `body` is JSON as a dict, or the text itself; `batching` a code of PLANS.
    """
    external_api = external_api or make_external_api()
    text = body if isinstance(body, str) else json.dumps(body, indent=2)
    fields.setdefault("path", "/users/track")
    fields.setdefault("number", external_api.versions.count() + 1)
    version = ExternalAPIVersion.objects.create(
        external_api=external_api,
        connection=connection or make_connection(),
        headers=headers or {"Content-Type": "application/json"},
        body=text,
        parameters=list(parameters),
        content_hash=hashlib.sha256(text.encode()).hexdigest(),
        **{**PLANS[batching].fields(), **fields},
    )
    external_api.current_version = version
    external_api.save(update_fields=["current_version"])
    return version


def make_test(version: ExternalAPIVersion, **fields: Any) -> ConfigurationTest:
    """One press of Test Configuration that went well."""
    fields.setdefault("is_success", True)
    return ConfigurationTest.objects.create(version=version, **fields)
