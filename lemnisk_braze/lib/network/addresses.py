"""Which addresses are the public internet's: for everything that leaves. No network.

`ipaddress.is_private` and `is_global` miss ranges that lead inside (NAT64, 6to4,
cloud metadata), so the ranges are listed here. Of IPv6 only 2000::/3 is given out to
anybody, so the last three ranges are all the rest.
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from ipaddress import ip_network as _network

_DENIED = """
    0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12
    192.0.0.0/24 192.0.2.0/24 192.88.99.0/24 192.168.0.0/16 198.18.0.0/15 198.51.100.0/24
    203.0.113.0/24 224.0.0.0/4 240.0.0.0/4 168.63.129.16/32 ::/96 ::ffff:0:0/96
    ::ffff:0:0:0/96 64:ff9b::/96 64:ff9b:1::/48 100::/64 2001::/23 2001:db8::/32
    2002::/16 3fff::/20 5f00::/16 fc00::/7 fe80::/10 fec0::/10 ff00::/8
    ::/3 4000::/2 8000::/1
"""
DENIED: tuple[IPv4Network | IPv6Network, ...] = tuple(map(_network, _DENIED.split()))
# 00-00-5E-FE, in which two bits say whether the IPv4 address is one of a kind.
_ISATAP = 0x0000_5EFE
_UNIVERSAL_OR_GROUP = 0x0300_0000


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
