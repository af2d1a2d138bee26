"""The names of this box: its addresses and host names. A certificate has them, and a Host header must be one of them."""

from __future__ import annotations

import array
import fcntl
import ipaddress
import re
import socket
import struct
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path

LOOPBACK = ("127.0.0.1", "::1")
MOST_ADDRESSES = 100
_GET_INTERFACES = 0x8912  # SIOCGIFCONF of netdevice(7)
_INTERFACE_BYTES, _NAME_BYTES, _ADDRESS_AT = 40 if struct.calcsize("P") == 8 else 32, 16, 20
_UNFIT = 0x01 | 0x08 | 0x20 | 0x40
"""Flags of /proc/net/if_inet6 (if_addr.h): temporary, which change daily; of another box as well; deprecated; not verified yet."""
_INET6 = Path("/proc/net/if_inet6")
_INTERFACES = Path("/sys/class/net")
_OF_CLUSTER = ("veth", "docker", "cni", "flannel", "cali", "cilium", "lxc", "kube-", "nodelocaldns", "weave", "antrea", "ovn")
"""Beginnings of names of interfaces that Docker, Kubernetes and its networks make."""
_HOST_NAME = r"(?=.{1,253}$)[a-z0-9_]([-a-z0-9_]{0,61}[a-z0-9_])?(\.[a-z0-9_]([-a-z0-9_]{0,61}[a-z0-9_])?)*"


def host_names(more: Collection[str] = ()) -> tuple[str, ...]:
    """localhost, the name of this box, the one that mDNS announces, and `more`; each once."""
    own = socket.gethostname().lower()
    short = own.partition(".")[0]
    names = ("localhost", own, short, f"{short}.local", *(name.lower() for name in more))
    return tuple(name for name in dict.fromkeys(names) if re.fullmatch(_HOST_NAME, name))


def addresses() -> tuple[str, ...]:
    """Those of this box at which others can reach it for a while, then those that only it can reach. At most MOST_ADDRESSES."""
    own = (address for interface, address in (*_ipv4(), *_ipv6()) if _is_reachable(address) and not is_for_containers(interface))
    return (*list(dict.fromkeys(own))[: MOST_ADDRESSES - len(LOOPBACK)], *LOOPBACK)


def is_for_containers(interface: str, interfaces: Path = _INTERFACES) -> bool:
    """Whether only containers and pods of this box are behind it: such interfaces come and go with workloads.

    Of bridges, those that no network card is part of.
    """
    if interface.startswith(_OF_CLUSTER):
        return True
    members = interfaces / interface / "brif"
    return members.is_dir() and not any((member / "device").exists() for member in members.iterdir())


def of_box(more: Collection[str] = ()) -> tuple[str, ...]:
    """All names that its certificate needs."""
    return (*host_names(more), *addresses())


def _is_reachable(address: str) -> bool:
    """Not of one link only: such an address means another box on each link, and a browser takes none with a zone."""
    ip = ipaddress.ip_address(address)
    return not (ip.is_loopback or ip.is_link_local or ip.is_unspecified)


def _ipv4() -> Iterator[tuple[str, str]]:
    """Asked of the kernel through a socket of the family that is asked for: a confined service may have no other."""
    buffer = array.array("B", bytes(_INTERFACE_BYTES * 1024))
    start, length = buffer.buffer_info()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket, suppress(OSError):
        answer = fcntl.ioctl(any_socket.fileno(), _GET_INTERFACES, struct.pack("iP", length, start))
        (used, _) = struct.unpack("iP", answer)
        for at in range(0, used, _INTERFACE_BYTES):
            entry = buffer[at : at + _INTERFACE_BYTES].tobytes()
            yield entry[:_NAME_BYTES].partition(b"\0")[0].decode(), socket.inet_ntoa(entry[_ADDRESS_AT : _ADDRESS_AT + 4])


def _ipv6(table: Path = _INET6) -> Iterator[tuple[str, str]]:
    with suppress(OSError):  # no IPv6 in this kernel
        for row in table.read_text("ascii").splitlines():
            digits, _, _, _, flags, interface = row.split()
            if not int(flags, 16) & _UNFIT:
                yield interface, str(ipaddress.IPv6Address(bytes.fromhex(digits)))
