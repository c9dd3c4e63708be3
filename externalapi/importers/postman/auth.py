"""How a request of a Postman collection signs in; its keys are out of it already."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from externalapi.http.auth import Auth
from externalapi.importers.common.http_request import Credential
from externalapi.importers.common.json_reader import object_at, pointer
from externalapi.importers.common.types import short
from externalapi.template.parameters import as_text
from lemnisk_braze.lib.json_types import JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheme:
    """A way to sign in; all but the first are of OAuth 2 client credentials."""

    credential: Credential = field(default_factory=Credential)
    token_url: str = ""
    client_id: str = ""
    scope: str = ""


def sign_in(auth: JSON, notes: list[str], where: str) -> Scheme:
    """Return how it signs in; what a connection cannot do is said in the notes."""
    keys = object_at(auth, pointer(where, "auth"))
    kind = as_text(keys.get("type"))
    values = _values(keys.get(kind))
    match kind:
        case "" | "noauth" | "inherit":
            return Scheme()
        case "bearer" | "jwt":
            return Scheme(credential=_key(Auth.BEARER, values.get("token", "")))
        case "basic":
            secret = values.get("password", "")
            credential = Credential(
                auth=Auth.BASIC, username=values.get("username", ""), secret=secret
            )
            return Scheme(credential=credential)
        case "apikey":
            return Scheme(credential=_api_key(values))
        case "oauth2":
            return _oauth2(values)
    notes.append(
        f"It signs in by “{short(kind)}”, which no connection can: choose one that "
        "signs in another way."
    )
    return Scheme()


def _values(tree: JSON) -> Mapping[str, str]:
    """A list of keys and values (v2.1), or an object (v2.0)."""
    if isinstance(tree, dict):
        return {key: as_text(value) for key, value in tree.items()}
    entries = tree if isinstance(tree, list) else []
    return {
        as_text(one.get("key")): as_text(one.get("value"))
        for one in entries
        if isinstance(one, dict)
    }


def _key(auth: Auth, secret: str, name: str = "") -> Credential:
    return Credential(auth=auth, name=name, secret=secret)


def _api_key(values: Mapping[str, str]) -> Credential:
    auth = Auth.QUERY if values.get("in") == "query" else Auth.HEADER
    return _key(auth, values.get("value", ""), values.get("key") or "X-API-Key")


def _oauth2(values: Mapping[str, str]) -> Scheme:
    """Client credentials are fetched by the connection; any other token is a key."""
    if values.get("grant_type") != "client_credentials":
        return Scheme(credential=Credential(auth=Auth.BEARER))
    return Scheme(
        credential=Credential(auth=Auth.OAUTH2),
        token_url=values.get("accessTokenUrl", ""),
        client_id=values.get("clientId", ""),
        scope=values.get("scope", ""),
    )
