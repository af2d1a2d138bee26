"""Connections that are kept and reused: direct ones, and those through a proxy."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import urllib3
from urllib3.connection import HTTPConnection

from kelvin_provision.registry.proxies import Proxy, proxy_for
from kelvin_provision.registry.wire import CONNECT
from kelvin_provision.settings.model import DownloadSettings

KEPT = 16
"""Connections that are kept open to one host."""
FEWEST, MOST = 1 << 16, 1 << 22
"""Bytes of a connection's receive buffer when there is a cap for the rate."""


class Pools:
    """For one registry and what it sends on to. Safe for several threads."""

    def __init__(self, limits: DownloadSettings, ca_file: Path | None) -> None:
        options: list[tuple[int, int, int | bytes]] = list(HTTPConnection.default_socket_options)
        if limits.rate:
            # What a kernel takes in advance is on the wire, whatever we read: not more than a second's worth of it.
            options.append((socket.SOL_SOCKET, socket.SO_RCVBUF, min(max(limits.rate, FEWEST), MOST)))
        self._terms: dict[str, Any] = {
            "maxsize": KEPT,
            "retries": False,
            "timeout": urllib3.Timeout(connect=CONNECT, read=limits.stall_timeout),
            "ca_certs": str(ca_file) if ca_file else None,
            "socket_options": options,
        }
        self._pools: dict[Proxy | None, urllib3.PoolManager] = {}

    def way(self, url: str) -> tuple[urllib3.PoolManager, str]:
        """The connections to use for a URL, and the proxy's name if they lead through one. Raises SettingsInvalid."""
        proxy = proxy_for(url, os.environ)
        if proxy not in self._pools:
            made = (
                urllib3.ProxyManager(proxy.url, proxy_headers=proxy.headers, **self._terms) if proxy else urllib3.PoolManager(**self._terms)
            )
            self._pools.setdefault(proxy, made)
        return self._pools[proxy], proxy.name if proxy else ""

    def close(self) -> None:
        """Close what is kept open; they can still be used."""
        for pool in list(self._pools.values()):
            pool.clear()
