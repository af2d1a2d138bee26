"""The proxy for a URL, by HTTPS_PROXY, HTTP_PROXY and NO_PROXY, read as k3s, containerd and Docker read them. Pure.

Loopback addresses never use a proxy. A proxy's password leaves this module only as a header.
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
    """`url` is without credentials; `name` is for messages."""

    url: str
    name: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)


def is_loopback(host: str) -> bool:
    """With or without a port."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def proxy_for(url: str, environ: Mapping[str, str]) -> Proxy | None:
    """None for a direct connection. Raises SettingsInvalid."""
    target = urlsplit(url)
    variable, value = _variable(f"{target.scheme}_proxy", environ)
    if not value or is_loopback(target.netloc) or _bypassed(target, _variable("no_proxy", environ)[1]):
        return None
    return _proxy(variable, value)


def _variable(name: str, environ: Mapping[str, str]) -> tuple[str, str]:
    """The name as it is spelled in the environment, and the value."""
    for spelling in (name.upper(), name):
        if value := environ.get(spelling, "").strip():
            return spelling, value
    return name.upper(), ""


def _proxy(variable: str, value: str) -> Proxy:
    """Errors do not repeat the value: it may contain a password."""
    try:
        parts = urlsplit(value if "://" in value else f"http://{value}")
        host, port = parts.hostname, parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        host = port = None
    if host is None or port is None or parts.scheme not in _PORTS:
        raise SettingsInvalid(f"{variable} is not a valid proxy URL", hint=f"{variable}=http://HOST:PORT")
    address = f"[{host}]" if ":" in host else host
    headers = {}
    if parts.username is not None:
        credentials = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        headers["Proxy-Authorization"] = "Basic " + base64.b64encode(credentials.encode()).decode()
    return Proxy(f"{parts.scheme}://{address}:{port}", f"{address}:{port}", headers)


def _bypassed(target: SplitResult, no_proxy: str) -> bool:
    host, port = (target.hostname or "").rstrip("."), target.port or _PORTS.get(target.scheme)
    return any(_matches(pattern.strip().lower(), host, port) for pattern in no_proxy.split(","))


def _matches(pattern: str, host: str, port: int | None) -> bool:
    """One NO_PROXY entry: `*`, an address, a network, or a domain with its subdomains (`.domain`: only those), optionally with a port."""
    if pattern == "*":
        return True
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(pattern.strip("[]"), strict=False)
    except ValueError:
        pass
    name, _, pattern_port = pattern.partition(":") if pattern.count(":") == 1 else (pattern, "", "")
    if not name or (pattern_port and pattern_port != str(port)):
        return False
    if name.startswith("*."):
        name = name[1:]
    return host.endswith(name) if name.startswith(".") else host == name or host.endswith(f".{name}")
