"""Whether the API runs, where, since when, and for whom: `api status`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kelvin_provision.access.users import Users
from kelvin_provision.api_service import place
from kelvin_provision.api_service.units import SERVICE, SOCKET, addresses_of
from kelvin_provision.context import Context
from kelvin_provision.systemd.systemctl import Systemd
from kelvin_provision.timestamps import rfc3339
from kelvin_provision.usecases.api_certificate import ApiCertificate, usable


@dataclass(frozen=True)
class ApiStatus:
    """`process` is the holder of the API's lock: pid, user, since, addresses; None without one. `addresses`: where it listens, as URLs."""

    process: Mapping[str, Any] | None
    service: bool
    addresses: tuple[str, ...]
    users: tuple[str, ...]
    certificate: ApiCertificate | None = None
    """None where no address has TLS, or none was made yet."""
    outdated: bool = False
    """Whether the service was installed for other addresses than the settings have now."""

    @property
    def alive(self) -> bool:
        return self.process is not None

    @property
    def log(self) -> str:
        """Empty for an API that was started by hand: it writes to its terminal."""
        return f"journalctl -u {SERVICE}" if self.service else ""

    def to_json(self) -> dict[str, Any]:
        process = self.process or {}
        return {
            "api": {
                "alive": self.alive,
                **{key: process.get(key) for key in ("pid", "user", "since")},
                "service": self.service,
                "addresses": list(self.addresses),
                "users": len(self.users),
                "certificate": self._certificate(),
                "log": self.log or None,
            },
        }

    def _certificate(self) -> dict[str, Any] | None:
        if self.certificate is None:
            return None
        leaf = self.certificate.chain.leaf
        return {"fingerprint": leaf.fingerprint, "ends": rfc3339(leaf.ends)}


def status(ctx: Context, systemd: Systemd) -> ApiStatus:
    """Reads the API's lock, its units and its users. Raises StateDamaged."""
    state = ctx.settings.state_dir
    process, service = place.running(state), systemd.is_for(SERVICE, state)
    listening = _listening(process)
    opened = addresses_of((systemd.installed(SOCKET) or b"").decode(errors="replace")) if service else ()
    users = tuple(user.name for user in Users(state, ctx.connections.wiring.clock).all())
    certificate = usable(ctx.settings) if any(url.startswith("https:") for url in listening) else None
    return ApiStatus(process, service, listening, users, certificate, outdated=service and opened != ctx.settings.api.listen)


def _listening(process: Mapping[str, Any] | None) -> tuple[str, ...]:
    addresses = (process or {}).get("addresses")
    return tuple(map(str, addresses)) if isinstance(addresses, list) else ()
