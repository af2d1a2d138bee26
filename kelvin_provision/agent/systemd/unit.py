"""The systemd unit of the agent, as text. Pure: same input, same unit.

What it takes away from the agent is what an agent never needs. What it leaves, and why, is said beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

NAME = "kelvin-provision-agent.service"

_TEXT = """\
# Written by `kelvin-provision agent install`, which writes it anew. Changes of your own: systemctl edit {name}

[Unit]
Description=Stages and looks after the workloads of this box
# Nothing is started for it but the network: whether k3s or Docker runs is not the agent's business. It waits for them.
Wants=network-online.target
After=network-online.target k3s.service k3s-agent.service docker.service containerd.service
RequiresMountsFor={state_dir}
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
# Said, so that HOME is set.
User=root
ExecStart={command}
{environment}WatchdogSec=120
Restart=always
RestartSec=10
# SIGTERM to the agent alone: it ends a download in good order and lets an import finish. What is cut off then, it finishes or undoes
# at its next start.
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

# It writes its state and nothing else. Sockets of containerd, k3s and Docker are reached all the same: connecting is not writing.
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
# Files of other users, such as a kubeconfig or a secret, may be the only ones there are.
CapabilityBoundingSet=CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH
NoNewPrivileges=yes
LockPersonality=yes
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
# Registries, clusters and probes; the sockets; netlink is asked by the resolver for the addresses of this box.
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
SystemCallArchitectures=native

[Install]
WantedBy=multi-user.target
"""


def render(command: Sequence[str], state_dir: Path, environment: Mapping[str, str]) -> str:
    """The unit for this command, whose first word is an absolute path; `environment` is what the agent must be told besides."""
    told = "".join(f"Environment={quoted(f'{name}={value}')}\n" for name, value in sorted(environment.items()))
    words = " ".join(argument(word) for word in command)
    return _TEXT.format(name=NAME, command=words, environment=told, state_dir=quoted(str(state_dir)))


def argument(word: str) -> str:
    """One word of a command: there, `$` begins a variable."""
    return quoted(word).replace("$", "$$")


def quoted(word: str) -> str:
    """One word of a unit file: nothing in it is a specifier (systemd.service(5), "Command lines"; systemd.syntax(7))."""
    safe = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("\n", "\\n")
    return f'"{safe}"' if any(sign.isspace() or sign in "\"'\\;" for sign in word) or not word else safe
