"""What browser libraries fetch before they send: the least that makes them send here.

Segment's analytics-next asks its "CDN" for a source's settings, RudderStack's library its
"control plane" for a source's configuration; both are this site. There are no
destinations and no plugins to load, and nothing to count about the library itself.
"""

from typing import Any

from django.http import HttpRequest

from segments.tracking import origins, reading
from segments.tracking.answering import Answer, answering


@answering("GET")
def segment_settings(request: HttpRequest, write_key: str) -> Answer:
    """`GET /v1/projects/<write key>/settings`, for @segment/analytics-next."""
    origins.check(request, reading.caller_of(write_key).origins)
    plan: dict[str, Any] = {"__default": {"enabled": True, "integrations": {}}}
    return {
        "integrations": {
            "Segment.io": {
                "apiKey": write_key,
                "apiHost": f"{request.get_host()}/v1",
                "protocol": request.scheme,
                "unbundledIntegrations": [],
                "addBundledMetadata": False,
                "maybeBundledConfigIds": {},
                "versionSettings": {"version": "4.4.7", "componentTypes": ["browser"]},
            }
        },
        "plan": {"track": plan, "identify": plan, "group": plan},
        "edgeFunction": {},
        "analyticsNextEnabled": True,
        "middlewareSettings": {},
        "enabledMiddleware": {},
        "metrics": {"sampleRate": 0},
        "legacyVideoPluginsEnabled": False,
        "remotePlugins": [],
    }


@answering("GET")
def rudder_source_config(request: HttpRequest) -> Answer:
    """`GET /sourceConfig/`, for RudderStack's browser library."""
    key = reading.key_of(request)
    caller = reading.caller_of(key)
    origins.check(request, caller.origins)
    nothing = {"enabled": False}
    return {
        "source": {
            "id": str(caller.source.pk),
            "name": caller.source.name,
            "writeKey": key,
            "enabled": True,
            "workspaceId": "",
            "config": {"statsCollection": {"errors": nothing, "metrics": nothing}},
            "connections": [],
            "destinations": [],
            "dataplanes": {},
        },
        "consentManagementMetadata": {},
    }
