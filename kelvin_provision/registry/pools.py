"""Connection pools: direct, and one per proxy."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import urllib3
from urllib3.connection import HTTPConnection

from kelvin_provision.registry import authorities
from kelvin_provision.registry.connections import POOLS
from kelvin_provision.registry.http_errors import CONNECT_TIMEOUT
from kelvin_provision.registry.proxies import Proxy, proxy_for
from kelvin_provision.settings.model import DownloadSettings

POOL_SIZE = 16
"""Connections that are kept open per host."""
MIN_BUFFER, MAX_BUFFER = 1 << 16, 1 << 22
"""Bytes of a connection's receive buffer under a rate limit."""


class Pools:
    """For one registry and the hosts that it redirects to. Safe for several threads."""

    def __init__(self, limits: DownloadSettings, ca_file: Path | None) -> None:
        socket_options: list[tuple[int, int, int | bytes]] = list(HTTPConnection.default_socket_options)
        if limits.rate:
            # What the kernel buffers has been transferred, whatever is read of it: at most a second's worth.
            socket_options.append((socket.SOL_SOCKET, socket.SO_RCVBUF, min(max(limits.rate, MIN_BUFFER), MAX_BUFFER)))
        self._options: dict[str, Any] = {
            "maxsize": POOL_SIZE,
            "retries": False,
            "timeout": urllib3.Timeout(connect=CONNECT_TIMEOUT, read=limits.stall_timeout),
            "ca_certs": str(ca_file) if ca_file else authorities.bundle(),
            "socket_options": socket_options,
        }
        self._pools: dict[Proxy | None, urllib3.PoolManager] = {}

    def for_url(self, url: str) -> tuple[urllib3.PoolManager, str]:
        """The pool for a URL, and the name of its proxy, if any. Raises SettingsInvalid for an invalid proxy."""
        proxy = proxy_for(url, os.environ)
        if proxy not in self._pools:
            options = self._options
            pool = urllib3.ProxyManager(proxy.url, proxy_headers=proxy.headers, **options) if proxy else urllib3.PoolManager(**options)
            pool.pool_classes_by_scheme = dict(POOLS)
            self._pools.setdefault(proxy, pool)
        return self._pools[proxy], proxy.name if proxy else ""

    def close(self) -> None:
        """Close all connections; the pools stay usable."""
        for pool in list(self._pools.values()):
            pool.clear()
