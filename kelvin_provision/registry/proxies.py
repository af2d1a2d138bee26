"""Which proxy leads to a URL, as HTTPS_PROXY, HTTP_PROXY and NO_PROXY say: read as k3s, containerd and Docker read them. Pure.

What is on this machine is never asked for through a proxy. A proxy's login never leaves this module but as a header.
"""

from __future__ import annotations

import base64
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, unquote, urlsplit

from kelvin_provision.errors import SettingsInvalid

_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Proxy:
    """`url` has no login in it; `name` is for messages."""

    url: str
    name: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)


def is_loopback(host: str) -> bool:
    """Whether a host (with or without a port) is this machine."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def proxy_for(url: str, environ: Mapping[str, str]) -> Proxy | None:
    """The proxy to go through, or None for the direct way. Raises SettingsInvalid for one that cannot be used."""
    place = urlsplit(url)
    variable, value = _given(f"{place.scheme}_proxy", environ)
    if not value or is_loopback(place.netloc) or _excepted(place, _given("no_proxy", environ)[1]):
        return None
    return _proxy(variable, value)


def _given(name: str, environ: Mapping[str, str]) -> tuple[str, str]:
    for spelled in (name.upper(), name):
        if found := environ.get(spelled, "").strip():
            return spelled, found
    return name.upper(), ""


def _proxy(variable: str, value: str) -> Proxy:
    """Nothing of the value is repeated in an error: it may hold a password."""
    try:
        place = urlsplit(value if "://" in value else f"http://{value}")
        host, port = place.hostname, place.port or _PORTS.get(place.scheme)
    except ValueError:
        host = port = None
    if host is None or port is None or place.scheme not in _PORTS:
        raise SettingsInvalid(f"{variable} is no proxy that can be used", hint=f"{variable}=http://HOST:PORT")
    shown = f"[{host}]" if ":" in host else host
    headers = {}
    if place.username is not None:
        login = f"{unquote(place.username)}:{unquote(place.password or '')}"
        headers["Proxy-Authorization"] = "Basic " + base64.b64encode(login.encode()).decode()
    return Proxy(f"{place.scheme}://{shown}:{port}", f"{shown}:{port}", headers)


def _excepted(place: SplitResult, exceptions: str) -> bool:
    host, port = (place.hostname or "").rstrip("."), place.port or _PORTS.get(place.scheme)
    return any(_covers(word.strip().lower(), host, port) for word in exceptions.split(","))


def _covers(word: str, host: str, port: int | None) -> bool:
    """One exception: `*`, an address, a network, or a domain with all below it (`.domain`: only what is below), perhaps with a port."""
    if word == "*":
        return True
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(word.strip("[]"), strict=False)
    except ValueError:
        pass
    name, _, only = word.partition(":") if word.count(":") == 1 else (word, "", "")
    if not name or (only and only != str(port)):
        return False
    if name.startswith("*."):
        name = name[1:]
    return host.endswith(name) if name.startswith(".") else host == name or host.endswith(f".{name}")
