"""Who counts as one client: an address, or the network that a provider gives to one subscriber."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network

from kelvin_provision.tls.listen import is_loopback

PER_CLIENT = 16
"""Connections, and requests under way, of one client on another machine."""
_SUBSCRIBER = 64


@lru_cache(256)
def client_of(address: str) -> str:
    """An IPv4 address, or the /64 of an IPv6 address: who has one such network has 2^64 addresses. Anything else is itself."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if not isinstance(parsed, IPv6Address):
        return address
    if parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    return address if parsed.is_loopback else str(ip_network((int(parsed), _SUBSCRIBER), strict=False))


def share(address: str, most: int) -> int:
    """How much of `most` one client may have; clients on this box may have all of it."""
    return most if is_loopback(address) else min(PER_CLIENT, most)
