"""What the endpoints that send have in common: recipients, audiences, dispatch IDs."""

from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256

import orjson

from externalapi.vendors.braze.sandbox.rules.verdicts import JsonObject


def dispatch_id(at: float | datetime, raw: bytes) -> str:
    """One for each request; counted from it, so that a journal gives the same again."""
    moment = at if isinstance(at, datetime) else datetime.fromtimestamp(at, UTC)
    return sha256(moment.isoformat().encode() + raw).hexdigest()[:32]


def is_broadcast(body: JsonObject) -> bool:
    """The page's own example has the text "false" where it says boolean."""
    return body.get("broadcast") in (True, "true")


def audience_of(body: object) -> str | None:
    """Names the audience of a broadcast (api_limits, "the same unique audience")."""
    if not isinstance(body, dict) or not is_broadcast(body):
        return None
    names = ("campaign_id", "canvas_id", "segment_id", "audience")
    parts = [body.get(name) for name in names]
    return sha256(orjson.dumps(parts)).hexdigest()


def identifier_of(recipient: Mapping[str, object]) -> JsonObject:
    """Whom a recipient names, in the words of the other endpoints."""
    names = ("user_alias", "braze_id", "email", "prioritization")
    identifier = {name: recipient[name] for name in names if name in recipient}
    if "external_user_id" in recipient:
        identifier["external_id"] = recipient["external_user_id"]
    return identifier
