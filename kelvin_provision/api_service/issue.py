"""The address of the box on its own screen, above the login (/etc/issue.d, agetty(8)): where a technician with a phone finds it."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path

from kelvin_provision.files.durable import sync_folder, write_durably, writing_to
from kelvin_provision.tls.listen import bracketed

FOLDER = "issue.d"
NAME = "50-kelvin-provision.issue"
_PORTS = {"https": 443, "http": 80}


def text(addresses: Sequence[tuple[str, int]], scheme: str) -> str:
    """One line each; agetty itself puts the present address in place of an unspecified one. Empty without an address."""
    return "".join(f"Workloads of this box: {scheme}://{_host(host)}{_port(port, scheme)}/\n" for host, port in addresses)


def write(lines: str, folder: Path) -> bool:
    """Whether there is such a file now: none is left without lines."""
    path = folder / NAME
    if not lines:
        remove(folder)
        return False
    with writing_to(path):
        folder.mkdir(mode=0o755, exist_ok=True)
    write_durably(path, [f"{lines}\n".encode()], mode=0o644)
    return True


def remove(folder: Path) -> None:
    path = folder / NAME
    if path.exists():
        with writing_to(path):
            path.unlink(missing_ok=True)
            sync_folder(folder)


def _host(host: str) -> str:
    if not ip_address(host).is_unspecified:
        return bracketed(host)
    return "[\\6]" if ":" in host else "\\4"


def _port(port: int, scheme: str) -> str:
    return "" if _PORTS[scheme] == port else f":{port}"
