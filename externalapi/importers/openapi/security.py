"""How a described operation signs in (Security Requirement, Security Scheme).

No secret is in such a document, and none is asked for: a connection has it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from externalapi.http.auth import Auth
from externalapi.importers.common.http_request import Credential
from externalapi.importers.common.json_reader import (
    list_at,
    object_at,
    pointer,
    text_at,
)
from externalapi.importers.openapi.schema import Reader, Schema
from lemnisk_braze.lib.json_types import JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheme:
    """A way to sign in; the last two are of OAuth 2 client credentials."""

    credential: Credential
    token_url: str = ""
    scope: str = ""


def scheme_of(reader: Reader, keys: Mapping[str, JSON], where: str) -> Scheme | None:
    """Return the first way that an operation asks for and a connection knows."""
    root = reader.root
    asked = keys.get("security", root.get("security"))
    requirements = list_at(asked, pointer(where, "security"))
    ways = [
        object_at(one, pointer(where, "security", index))
        for index, one in enumerate(requirements)
    ]
    for names in ways:
        found = list(_known(reader, names))
        if len(found) < len(names):
            continue
        if len(found) > 1:
            reader.note(
                "It signs in more than once; a connection does it one way. "
                f"The first one is taken: {next(iter(names))}."
            )
        return found[0] if found else None
    if any(ways):
        reader.note("How it signs in is not known here: choose a connection that can.")
    return None


def _known(reader: Reader, names: Mapping[str, JSON]) -> Iterator[Scheme]:
    parts = object_at(reader.root.get("components"), "#/components")
    where = "#/components/securitySchemes"
    schemes = object_at(parts.get("securitySchemes"), where)
    for name, scopes in names.items():
        at = pointer(where, name)
        one = Schema(keys=object_at(schemes.get(name), at), where=at)
        found = _scheme(reader.followed(one), scopes)
        if found is not None:
            yield found


def _scheme(one: Schema, scopes: JSON) -> Scheme | None:
    name = text_at(one.keys.get("name"), pointer(one.where, "name"))
    kind = (one.keys.get("type"), one.keys.get("in") or one.keys.get("scheme"))
    match kind:
        case "http", str(scheme) if scheme.lower() == "basic":
            return Scheme(credential=Credential(auth=Auth.BASIC))
        case "http", str(scheme) if scheme.lower() == "bearer":
            return Scheme(credential=Credential(auth=Auth.BEARER))
        case "apiKey", "header" if name:
            return Scheme(credential=Credential(auth=Auth.HEADER, name=name))
        case "apiKey", "query" if name:
            return Scheme(credential=Credential(auth=Auth.QUERY, name=name))
        case "oauth2", _:
            return _oauth2(one, scopes)
        case "openIdConnect", _:
            return Scheme(credential=Credential(auth=Auth.BEARER))
    return None


def _oauth2(one: Schema, scopes: JSON) -> Scheme:
    """Client credentials are fetched by the connection; any other token is a key."""
    at = pointer(one.where, "flows")
    flows = object_at(one.keys.get("flows"), at)
    flow = flows.get("clientCredentials")
    if not isinstance(flow, dict):
        return Scheme(credential=Credential(auth=Auth.BEARER))
    at = pointer(at, "clientCredentials", "tokenUrl")
    return Scheme(
        credential=Credential(auth=Auth.OAUTH2),
        token_url=text_at(flow.get("tokenUrl"), at),
        scope=" ".join(map(str, scopes)) if isinstance(scopes, list) else "",
    )
