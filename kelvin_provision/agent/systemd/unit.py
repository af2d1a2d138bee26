"""The systemd units of the agent, as text. Pure: same input, same units.

It removes the privileges that the agent never needs. Comments in it say why the others stay.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from kelvin_provision.systemd.words import command_line, quoted, variables

NAME = "kelvin-provision-agent.service"
STARTER = "kelvin-provision-agent.path"

_TEXT = """\
# Written by `kelvin-provision agent install`, which overwrites it. For changes of your own: systemctl edit {name}

[Unit]
Description=Stages and looks after the workloads of this box
# It pulls in the network only: whether k3s or Docker runs is not the agent's business. It waits for them.
Wants=network-online.target
After=network-online.target k3s.service k3s-agent.service docker.service containerd.service
RequiresMountsFor={state_dir}
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
# Explicit, so that HOME is set.
User=root
ExecStart={command}
{environment}WatchdogSec=120
Restart=always
RestartSec=10
# SIGTERM to the agent alone: it ends a download in good order and lets an import finish. Recovery at its next start handles
# the rest.
KillMode=mixed
TimeoutStopSec=120

# What runs on the box comes first. Not the idle class: on a busy disk nothing would ever be staged.
Nice=10
CPUWeight=20
IOWeight=20
IOSchedulingClass=best-effort
IOSchedulingPriority=7
OOMScoreAdjust=200
UMask=0077

# It writes its state and nothing else. It can still connect to the sockets of containerd, k3s and Docker: that is not writing.
ProtectSystem=strict
ReadWritePaths={state_dir}
# For the logins of `docker login` and a kubeconfig there.
ProtectHome=read-only
# The Kubernetes client unpacks its certificates there.
PrivateTmp=yes
PrivateDevices=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
# A kubeconfig or a secret may belong to another user.
CapabilityBoundingSet=CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH
NoNewPrivileges=yes
LockPersonality=yes
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
# Registries, clusters and probes; the sockets; the resolver uses netlink for the addresses of this box.
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
SystemCallArchitectures=native

[Install]
WantedBy=multi-user.target
"""

_STARTER = """\
# Written by `kelvin-provision agent install`, which overwrites it. A process that may start none itself, such as the service of the API,
# writes this file where no agent is alive.

[Unit]
Description=Starts the agent of this box when another service needs it

[Path]
PathChanged={file}

[Install]
WantedBy=multi-user.target
"""


def render(command: Sequence[str], state_dir: Path, environment: Mapping[str, str]) -> str:
    """The service for this command, whose first word is an absolute path; `environment` are the variables of the agent."""
    lines = variables(environment)
    return _TEXT.format(name=NAME, command=command_line(command), environment=lines, state_dir=quoted(str(state_dir)))


def render_starter(file: Path) -> str:
    """What starts the service when this file is written."""
    return _STARTER.format(file=str(file).replace("%", "%%"))
