"""What the client may call: strict URLs, public addresses, clean headers. No network.

`ipaddress.is_private` and `is_global` miss ranges that lead inside (NAT64, 6to4,
cloud metadata), so the ranges are listed here. Of IPv6 only 2000::/3 is given out to
anybody, so the last three ranges are all the rest.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from ipaddress import (
    AddressValueError,
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

MAX_URL = 2048
MAX_HEADERS = 50
MAX_HEADER_VALUE = 8 * 1024
PORTS = frozenset({443, 80, 8443, 8080})

_DENIED = """
    0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12
    192.0.0.0/24 192.0.2.0/24 192.88.99.0/24 192.168.0.0/16 198.18.0.0/15 198.51.100.0/24
    203.0.113.0/24 224.0.0.0/4 240.0.0.0/4 168.63.129.16/32 ::/96 ::ffff:0:0/96
    ::ffff:0:0:0/96 64:ff9b::/96 64:ff9b:1::/48 100::/64 2001::/23 2001:db8::/32
    2002::/16 3fff::/20 5f00::/16 fc00::/7 fe80::/10 fec0::/10 ff00::/8
    ::/3 4000::/2 8000::/1
"""
_INTERNAL = """
    local localhost localdomain internal intranet corp private lan home svc
    home.arpa in-addr.arpa ip6.arpa test example invalid onion
"""
DENIED: tuple[IPv4Network | IPv6Network, ...] = tuple(map(ip_network, _DENIED.split()))
# 00-00-5E-FE, in which two bits say whether the IPv4 address is one of a kind.
_ISATAP = 0x0000_5EFE
_UNIVERSAL_OR_GROUP = 0x0300_0000
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


def is_denied(address: str) -> bool:
    """Return whether an IP address leads somewhere that is not the public internet."""
    try:
        ip = ip_address(address)
    except ValueError:
        return True
    if isinstance(ip, IPv6Address) and (ip.scope_id or _is_denied_isatap(ip)):
        return True
    return any(ip in network for network in DENIED if network.version == ip.version)


def _is_denied_isatap(ip: IPv6Address) -> bool:
    """ISATAP (RFC 5214, 6.1) tunnels to the IPv4 address at the end, in any prefix."""
    marks = int.from_bytes(ip.packed[8:12])
    is_isatap = marks & ~_UNIVERSAL_OR_GROUP == _ISATAP
    return is_isatap and is_denied(str(IPv4Address(ip.packed[12:])))


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
