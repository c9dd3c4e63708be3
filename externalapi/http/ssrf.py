"""What the client may call: strict URLs, public addresses, clean headers. No network."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv6Address

from lemnisk_braze.lib.network.addresses import is_denied

MAX_URL = 2048
MAX_HEADERS = 50
MAX_HEADER_VALUE = 8 * 1024
PORTS = frozenset({443, 80, 8443, 8080})

_INTERNAL = """
    local localhost localdomain internal intranet corp private lan home svc
    home.arpa in-addr.arpa ip6.arpa test example invalid onion
"""
INTERNAL_SUFFIXES = tuple(f".{name}" for name in _INTERNAL.split())

_URL = re.compile(r"(?P<scheme>[A-Za-z]+)://(?P<authority>[^/?#]*)(?P<rest>[/?][^#]*)?")
_VISIBLE = re.compile(r"[!-\[\]-~]+")  # no space, control character or backslash
_AUTHORITY = re.compile(
    r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^:\[\]]+)(?::(?P<port>[0-9]{1,5}))?"
)
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_NUMERIC_LABEL = re.compile(r"[0-9]+|0x[0-9a-f]*")
DOT_SEGMENT = re.compile(r"/(?:\.|%2e){1,2}(?:[/?]|$)", re.IGNORECASE)
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_HEADER_VALUE = re.compile(r"[\x20-\x7e\t]*")
_OWN_HEADERS = frozenset(
    {
        "host",
        "content-length",
        "transfer-encoding",
        "connection",
        "keep-alive",
        "upgrade",
        "te",
        "trailer",
        "expect",
        "accept-encoding",
        "content-encoding",
    }
)
_OWN_PREFIXES = ("proxy-", "x-forwarded-")


class GuardError(ValueError):
    """The client does not send this; the message is for the person who wrote it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A URL taken apart: `url` is put together from what was checked."""

    scheme: str
    host: str
    port: int
    url: str
    # The settings name this host:port, so it may be private and plain http.
    is_allowed_local: bool


def check_url(url: str, allowed_local: Collection[str] = ()) -> Target:
    """Return the target of a URL, or raise GuardError.

    `allowed_local` holds exact "host:port" pairs that may be http and private.
    """
    if len(url) > MAX_URL:
        raise GuardError(f"The address is longer than {MAX_URL:,} characters.")
    if not _VISIBLE.fullmatch(url):
        raise GuardError(
            "The address may have no spaces, backslashes, control characters or "
            "letters outside ASCII; write an international name as xn--…"
        )
    match = _URL.fullmatch(url)
    if match is None:
        without = ", without “#”" if "#" in url else ""
        raise GuardError(f"Write the address as https://host/path{without}.")
    scheme = match["scheme"].lower()
    if scheme not in ("https", "http"):
        raise GuardError("The address must begin with https://.")
    host, port = _authority(match["authority"], scheme)
    rest = match["rest"] or ""
    if DOT_SEGMENT.search(rest.partition("?")[0]):
        raise GuardError("The path may not contain “.” or “..” as a part.")
    is_allowed_local = f"{host}:{port}" in allowed_local
    if not is_allowed_local:
        _check_public(scheme, host, port)
    return Target(
        scheme=scheme,
        host=host,
        port=port,
        url=f"{scheme}://{host}:{port}{rest if rest[:1] == '/' else '/' + rest}",
        is_allowed_local=is_allowed_local,
    )


def check_headers(headers: Mapping[str, str]) -> None:
    """Raise GuardError for headers that are not plain, or that are the client's own."""
    if len(headers) > MAX_HEADERS:
        raise GuardError(f"There are more than {MAX_HEADERS} headers.")
    if len({name.lower() for name in headers}) < len(headers):
        raise GuardError("A header is given twice.")
    for name, value in headers.items():
        check_header(name, value)


def check_header(name: str, value: str) -> None:
    """Raise GuardError when the header's name or value cannot be sent."""
    if not _TOKEN.fullmatch(name):
        raise GuardError(f"“{name[:40]}” cannot be the name of a header.")
    lower = name.lower()
    if lower in _OWN_HEADERS or lower.startswith(_OWN_PREFIXES):
        raise GuardError(f"The header {name} is set by the client itself.")
    if len(value) > MAX_HEADER_VALUE:
        raise GuardError(f"The header {name} is longer than 8 KB.")
    if not _HEADER_VALUE.fullmatch(value):
        raise GuardError(f"The header {name} may have only visible ASCII characters.")


def _authority(authority: str, scheme: str) -> tuple[str, int]:
    if "@" in authority:
        raise GuardError("The address may not contain a user name or a password.")
    match = _AUTHORITY.fullmatch(authority)
    if match is None:
        raise GuardError("The address has no valid host.")
    port = int(match["port"] or (443 if scheme == "https" else 80))
    if not 0 < port < 65_536:
        raise GuardError("The address has no valid port.")
    return _host(match["host"].lower()), port


def _host(host: str) -> str:
    """Return the host as it is dialled; an address only in its one plain form."""
    try:
        if host.startswith("["):
            return f"[{IPv6Address(host[1:-1])}]"
        labels = host.split(".")
        if _NUMERIC_LABEL.fullmatch(labels[-1]):
            return str(IPv4Address(host))
    except AddressValueError as e:
        raise GuardError("The address has no valid host.") from e
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise GuardError("The address has no valid host.")
    return host


def _check_public(scheme: str, host: str, port: int) -> None:
    if scheme != "https":
        raise GuardError("The address must begin with https://.")
    if port not in PORTS:
        raise GuardError(f"Port {port} is not allowed; use 443, 8443, 8080 or 80.")
    if host.startswith("[") or _NUMERIC_LABEL.fullmatch(host.rsplit(".", 1)[-1]):
        if is_denied(host.strip("[]")):
            raise GuardError("This address is not on the public internet.")
        return
    if "." not in host or host.endswith(INTERNAL_SUFFIXES):
        raise GuardError("This host name is not on the public internet.")
