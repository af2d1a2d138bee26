"""The systemd units of the API, as text. Pure: same input, same units.

The service may write its state and reach nothing else: no cluster, no runtime, and not systemd. Comments in it say why.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kelvin_provision.systemd.words import command_line, quoted, variables
from kelvin_provision.tls.listen import is_loopback, split

SERVICE = "kelvin-provision-api.service"
SOCKET = "kelvin-provision-api.socket"
_HOMES = (Path("/home"), Path("/root"), Path("/run/user"))
_RUN = (Path("/run"), Path("/var/run"))
_DENIED = (
    "/etc/rancher",
    "/etc/kubernetes",
    "/root/.kube",
    "/root/.docker",
    "/var/lib/rancher",
    "/var/lib/kubelet",
    "/var/lib/docker",
    "/var/lib/containerd",
)
"""Logins of the cluster, and the data of runtimes."""

_SERVICE = """\
# Written by `kelvin-provision api install`, which overwrites it. For changes of your own: systemctl edit {name}

[Unit]
Description=REST API for the workloads of this box
# The socket is open all the time: while the service restarts, who connects waits.
Requires={socket}
After={socket}
RequiresMountsFor={state_dir}
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
# The ledger belongs to root. Explicit, so that HOME is set.
User=root
ExecStart={command}
{environment}WatchdogSec=60
Restart=always
RestartSec=5
KillMode=mixed
TimeoutStopSec=20

# What runs on the box comes first. A deploy has a child process of some 60 MiB.
CPUWeight=50
OOMScoreAdjust=200
MemoryMax=160M
TasksMax=64
UMask=0077

# It writes its state and nothing else.
ProtectSystem=strict
ReadWritePaths={state_dir}
ProtectHome={home}
PrivateTmp=yes
PrivateDevices=yes
# The agent asks cluster and runtime. All sockets are below /run, also those that come later or are replaced: a path in
# InaccessiblePaths= would be free again once its socket is another one. systemd starts an agent for it: kelvin-provision-agent.path.
TemporaryFileSystem=/run:ro
BindReadOnlyPaths=-/run/systemd/notify{run_reads}
{run_state}InaccessiblePaths={denied}
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
# The socket is systemd's, so that port 443 needs none.
CapabilityBoundingSet=
NoNewPrivileges=yes
KeyringMode=private
LockPersonality=yes
MemoryDenyWriteExecute=yes
RemoveIPC=yes
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallErrorNumber=EPERM

[Install]
WantedBy=multi-user.target
"""

_SOCKET = """\
# Written by `kelvin-provision api install`, which overwrites it. The addresses are those of the setting api.listen.

[Unit]
Description=Addresses of the REST API for the workloads of this box

[Socket]
{addresses}Backlog=128
BindIPv6Only=ipv6-only
# An address that the box does not have yet, such as before DHCP.
FreeBind=yes

[Install]
WantedBy=sockets.target
"""


@dataclass(frozen=True)
class Installation:
    """`command` begins with an absolute path; `reads` are other files that it needs; `denied` are further paths of cluster and runtime."""

    command: Sequence[str]
    state_dir: Path
    addresses: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    reads: tuple[Path, ...] = ()
    denied: tuple[Path, ...] = ()


def render(installation: Installation) -> dict[str, str]:
    """The units by name, the service first."""
    state = installation.state_dir
    needed = (Path(installation.command[0]), state, *installation.reads)
    denied = (*_DENIED, *(str(path) for path in installation.denied if not _is_below(path, _RUN)))
    return {
        SERVICE: _SERVICE.format(
            name=SERVICE,
            socket=SOCKET,
            command=command_line(installation.command),
            environment=variables(installation.environment),
            state_dir=quoted(str(state)),
            run_reads="".join(f" {quoted(f'-{path}')}" for path in installation.reads if _is_below(path, _RUN)),
            run_state=f"BindPaths={quoted(str(state))}\n" if _is_below(state, _RUN) else "",
            home="read-only" if any(_is_below(path, _HOMES) for path in needed) else "yes",
            denied=" ".join(quoted(f"-{path}") for path in dict.fromkeys(denied)),
        ),
        SOCKET: _SOCKET.format(addresses="".join(f"ListenStream={address}\n" for address in installation.addresses)),
    }


def addresses_of(socket_unit: str) -> tuple[str, ...]:
    """The inverse: where an installed socket listens."""
    lines = (line.partition("=") for line in socket_unit.splitlines())
    return tuple(value for key, _, value in lines if key == "ListenStream")


def reachable(addresses: Iterable[str]) -> tuple[tuple[str, int], ...]:
    """Host and port of those that other machines can reach. Raises ListenRefused."""
    return tuple((host, port) for host, port in map(split, addresses) if not is_loopback(host))


def _is_below(path: Path, folders: Sequence[Path]) -> bool:
    return any(path.is_relative_to(folder) for folder in folders)
