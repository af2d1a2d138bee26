"""Addresses on which the API listens: which of them speak TLS, and how others reach them."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import ip_address

from kelvin_provision.errors import ListenRefused
from kelvin_provision.settings.model import ApiSettings
from kelvin_provision.tls.names import addresses

HTTPS = 443


@lru_cache(256)
def is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False


def is_address(text: str) -> bool:
    """An IP without a zone."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return "%" not in text


def split(address: str) -> tuple[str, int]:
    """Raises ListenRefused."""
    host, colon, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not (colon and port.isascii() and port.isdecimal() and int(port) < 65536 and is_address(host)):
        raise ListenRefused(f"{address} is not an address with a port, such as 127.0.0.1:30000")
    return host, int(port)


def bracketed(host: str) -> str:
    """As an address with a port has it: an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host else host


def is_secure(address: str, *, insecure: bool) -> bool:
    """Whether the API speaks TLS at this address: not on loopback, and nowhere with `insecure`. Raises ListenRefused."""
    host, _ = split(address)
    return not insecure and not is_loopback(host)


def secure_urls(settings: ApiSettings) -> tuple[str, ...]:
    """How other machines reach the addresses with TLS. Raises ListenRefused."""
    return tuple(url(address, secure=True) for address in settings.listen if is_secure(address, insecure=settings.insecure))


def url(address: str, *, secure: bool) -> str:
    """As other machines reach it: in place of all addresses, one of them. Raises ListenRefused."""
    host, port = split(address)
    if ip_address(host).is_unspecified:
        host = addresses()[0]
    return f"http{'s' if secure else ''}://{bracketed(host)}" + ("" if secure and port == HTTPS else f":{port}")
