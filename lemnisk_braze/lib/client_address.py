"""Which address a request comes from, also behind proxies of ours."""

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from django.conf import settings
from django.http import HttpRequest

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address


def client_address(request: HttpRequest) -> str:
    """The nearest address that is none of settings.TRUSTED_PROXIES.

    Each proxy of ours writes at the end of X-Forwarded-For who asked it; what stands
    before that anybody may have made up. What is no address ends the search.
    """
    nearest: str = request.META.get("REMOTE_ADDR", "")
    forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
    return _nearest(nearest, reversed(forwarded), settings.TRUSTED_PROXIES)


def _nearest(address: str, further: Iterable[str], trusted: Sequence[Network]) -> str:
    for text in further:
        ip = _read(address)
        if ip is None or not any(ip in network for network in trusted):
            break
        forwarded = _read(text.strip())
        if forwarded is None:
            break
        address = str(forwarded)
    return address


def _read(text: str) -> Address | None:
    """The address in its one form: an IPv4 address may come as ::ffff:192.0.2.1."""
    try:
        ip = ip_address(text)
    except ValueError:
        return None
    return (ip.ipv4_mapped or ip) if isinstance(ip, IPv6Address) else ip
