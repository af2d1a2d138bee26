"""The Host header: addresses and own names only. A page elsewhere that has its name resolve to this box (DNS rebinding) brings its name."""

from __future__ import annotations

import re
from collections.abc import Collection

from kelvin_provision.api.messages.refusals import Refusal
from kelvin_provision.tls.listen import is_address
from kelvin_provision.tls.names import host_names

_PORT, _LAST_PORT = "[1-9][0-9]{0,4}", 65535


class Hosts:
    """`names` are accepted besides addresses, localhost and the name of this box."""

    def __init__(self, names: Collection[str]) -> None:
        self._names = frozenset(host_names(names))

    def checked(self, headers: Collection[tuple[bytes, bytes]]) -> str:
        """The one Host header of a request. Raises Refusal."""
        values = [value.decode("latin-1") for name, value in headers if name == b"host"]
        if len(values) != 1 or not self._is_known(values[0]):
            raise Refusal("host-refused", f"the host {values[0][:100]!r} is not known here" if values else "the request names no host")
        return values[0]

    def _is_known(self, value: str) -> bool:
        host, colon, port = value.rpartition(":")
        if not colon or value.endswith("]"):
            host, port = value, "1"
        if not re.fullmatch(_PORT, port) or int(port) > _LAST_PORT:
            return False
        if host.startswith("[") and host.endswith("]"):
            return is_address(host[1:-1])
        return host.lower().removesuffix(".") in self._names or is_address(host)
