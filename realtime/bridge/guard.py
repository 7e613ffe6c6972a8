"""Decides where connections may go, so that an address somebody entered cannot reach our own
network."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

NAT64 = IPv6Network("64:ff9b::/96")
NAT64_LOCAL = IPv6Network("64:ff9b:1::/48")
SIX_TO_FOUR = IPv6Network("2002::/16")
V4_COMPATIBLE = IPv6Network("::/96")
SHARED = IPv4Network("100.64.0.0/10")
"""Carrier-grade NAT, which mesh networks between one's own machines use too."""
METADATA = frozenset(
    ip_address(each)
    for each in (
        "169.254.169.254",
        "fd00:ec2::254",
        "100.100.100.200",  # Alibaba Cloud
        "192.0.0.192",  # Oracle Cloud
        "168.63.129.16",  # Azure's host: a public address, but not a public service
    )
)


class Forbidden(Exception):
    """The URL or address may not be used. The text never repeats it.

    `fault`: a name of `faults.FAULTS`.
    """

    def __init__(self, text: str, fault: str) -> None:
        super().__init__(text)
        self.fault = fault


def check_url(
    url: str, allow_private: bool, schemes: tuple[str, str] = ("ws", "wss")
) -> tuple[str, int, bool]:
    """Host, port and whether TLS is used, of a URL that may be tried. Raises `Forbidden`.

    `schemes`: without TLS and with it. The one without, and ports other than 443, need
    `allow_private`: an operator vouches for the target.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise Forbidden("not a URL", "bad_url") from None
    if parts.scheme not in schemes or not host:
        raise Forbidden(f"not a {schemes[0]}: or {schemes[1]}: URL", "bad_url")
    if "@" in parts.netloc or parts.fragment:
        raise Forbidden("a user name, password or fragment is in the URL", "bad_url")
    tls = parts.scheme == schemes[1]
    port = (443 if tls else 80) if port is None else port
    if not allow_private and (not tls or port != 443):
        raise Forbidden(f"only {schemes[1]} on port 443", "url_not_public")
    return host, port, tls


def plain_host(host: str) -> str:
    """One spelling per host: lower case, no dot at its end, an IP address in its short form."""
    host = host.lower().removesuffix(".")
    try:
        return ip_address(host).compressed
    except ValueError:
        return host


def is_allowed(address: str, allow_private: bool) -> bool:
    """Whether to connect to this resolved IP address (an IPv6 zone is ignored).

    Public unicast always; loopback, private and mesh networks with `allow_private`; link-local,
    multicast, unspecified and cloud metadata addresses never. An IPv6 address that contains an IPv4
    one is judged by that.
    """
    try:
        ip = _carried(ip_address(address.partition("%")[0]))
    except ValueError:
        return False
    if ip in METADATA or ip.is_link_local or ip.is_multicast or ip.is_unspecified:
        return False
    if isinstance(ip, IPv6Address) and (ip in NAT64_LOCAL or ip.is_site_local):
        return False
    if ip.is_global:
        return not ip.is_reserved
    return allow_private and (ip.is_loopback or ip.is_private or ip in SHARED)


def _carried(ip: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    if isinstance(ip, IPv4Address):
        return ip
    if ip.ipv4_mapped is not None:
        return ip.ipv4_mapped
    number = int(ip)
    if ip in SIX_TO_FOUR:
        return IPv4Address((number >> 80) & 0xFFFFFFFF)
    if ip in NAT64 or (ip in V4_COMPATIBLE and number > 1):
        return IPv4Address(number & 0xFFFFFFFF)
    return ip
