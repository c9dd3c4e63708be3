"""Where a database may be: as the guarded client has it for HTTP.

A host is looked up, and refused where any of its addresses is not on the public
internet, unless ALLOWED_LOCAL_ADDRESSES names its host:port; what is dialled is the
address that was looked at. A file is in one of the folders that IMPORT_FROM names.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from django.conf import settings

from lemnisk_braze.lib.network.addresses import is_denied
from lemnisk_braze.lib.network.lookup import resolve
from segments.models import SourceQuery

Kind = SourceQuery.Kind
MAX_ADDRESS = 2_000
NOT_PUBLIC = (
    "The database is not on the public internet. Whoever runs this site can allow it: "
    "ALLOWED_LOCAL_ADDRESSES takes {}:{}."
)
_PORTS: Mapping[str, int] = {Kind.POSTGRESQL: 5432, Kind.FLIGHT_SQL: 443}
_SCHEMES: Mapping[str, tuple[str, ...]] = {
    Kind.POSTGRESQL: ("postgresql", "postgres"),
    Kind.FLIGHT_SQL: ("grpc+tls",),
}
_HOST = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?|[0-9a-f:]+")
# Of libpq's parameters those that lead nowhere else, and read no file.
_PARAMETERS = frozenset({"sslmode", "connect_timeout", "application_name"})
_ENCRYPTED = ("require", "verify-ca", "verify-full")


class AddressError(ValueError):
    """The database is not dialled; the message is for who wrote the address."""


def check(kind: str, address: str) -> str:
    """Return the address as it may be shown, without secrets; raises AddressError."""
    if len(address) > MAX_ADDRESS or not address.isprintable():
        raise AddressError("The address is too long, or has characters nobody sees.")
    if kind == Kind.DUCKDB:
        return str(_file(address))
    if kind in _PORTS:
        parts = _taken_apart(kind, address)
        return f"{parts.host}:{parts.port}{parts.path}"
    return SourceQuery.Kind(kind).label


def dialled(kind: str, address: str) -> str:
    """The address as the driver gets it, looked up a moment ago; raises AddressError."""
    if kind == Kind.DUCKDB:
        return str(_file(address))
    if kind not in _PORTS:
        # The vendors' own clients dial their vendor.
        return address
    parts = _taken_apart(kind, address)
    found = _look_up(parts.host, parts.port)
    if not parts.is_allowed_local and any(map(is_denied, found)):
        raise AddressError(NOT_PUBLIC.format(parts.host, parts.port))
    if kind != Kind.POSTGRESQL:
        return address
    # The certificate is the name's, the connection the address's.
    query = {**parts.query, "hostaddr": found[0]}
    if not parts.is_allowed_local and query.get("sslmode") not in _ENCRYPTED:
        query["sslmode"] = "require"
    query.setdefault("connect_timeout", "10")
    user = f"{quote(parts.user, safe='')}:{quote(parts.password, safe='')}@"
    host = f"[{parts.host}]" if ":" in parts.host else parts.host
    target = f"{user if parts.user else ''}{host}:{parts.port}{parts.path}"
    return f"postgresql://{target}?{urlencode(query, quote_via=quote)}"


class _Parts:
    """An address taken apart, each part checked."""

    def __init__(self, kind: str, address: str) -> None:
        schemes = _SCHEMES[kind]
        try:
            split = urlsplit(address)
            port = split.port
        except ValueError as e:
            raise AddressError("The address has no valid host or port.") from e
        if split.scheme not in schemes or split.fragment:
            raise AddressError(
                f"Write the address as {schemes[0]}://user:password@host:port/database."
            )
        self.host = (split.hostname or "").lower()
        if not _HOST.fullmatch(self.host):
            raise AddressError("The address has no valid host.")
        self.port = port or _PORTS[kind]
        self.path = quote(unquote(split.path), safe="/")
        self.user = unquote(split.username or "")
        self.password = unquote(split.password or "")
        self.query = dict(parse_qsl(split.query, keep_blank_values=True))
        if unknown := sorted(self.query.keys() - _PARAMETERS):
            known = ", ".join(sorted(_PARAMETERS))
            raise AddressError(f"“{unknown[0]}” is none of {known}.")
        self.is_allowed_local = (
            f"{self.host}:{self.port}" in settings.ALLOWED_LOCAL_ADDRESSES
        )


def _taken_apart(kind: str, address: str) -> _Parts:
    parts = _Parts(kind, address)
    looks_like_ip = ":" in parts.host or parts.host.rsplit(".", 1)[-1].isdigit()
    if looks_like_ip and not parts.is_allowed_local and is_denied(parts.host):
        raise AddressError(NOT_PUBLIC.format(parts.host, parts.port))
    return parts


def _look_up(host: str, port: int) -> list[str]:
    try:
        found = resolve(host, port)
    except OSError as e:
        raise AddressError(f"{host} was not found.") from e
    if not found:
        raise AddressError(f"{host} has no address.")
    return found


def _file(address: str) -> Path:
    real = Path(os.path.realpath(address))
    roots = [Path(os.path.realpath(root)) for root in settings.IMPORT_FROM]
    if not Path(address).is_absolute() or not any(
        root in real.parents for root in roots
    ):
        raise AddressError(
            "Write the whole path of a file in a folder that IMPORT_FROM names (the"
            " operator’s settings)."
        )
    return real
