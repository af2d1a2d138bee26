"""The unit and the rule as text. Pure: same input, same text. Comments in the unit say why it may do what it may."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from kelvin_provision.systemd.words import command_line, quoted, variables

UNIT = "kelvin-provision-media@.service"
RULE = "90-kelvin-provision-media.rules"

_UNIT = """\
# Written by `kelvin-provision media install`, which overwrites it. For changes of your own: systemctl edit {name}

[Unit]
Description=Looks for bundles on the medium %i
After=kelvin-provision-agent.service k3s.service k3s-agent.service docker.service containerd.service
RequiresMountsFor={state_dir}

[Service]
Type=oneshot
# Explicit, so that HOME is set.
User=root
ExecStart={command} /dev/%i
{environment}# It ends when everything is copied; a medium that is gone is no failure (75). 100 GB take a slow stick half a day:
# what a hostile medium meets first are the limits of memory and processor time. What was copied is kept, and the next arrival continues.
TimeoutStartSec=1d
LimitCPU=4h
TimeoutStopSec=60
SuccessExitStatus=75

# What runs on the box comes first.
Nice=10
CPUWeight=20
IOWeight=20
IOSchedulingClass=best-effort
IOSchedulingPriority=7
OOMScoreAdjust=200
# The largest table of contents takes half of it; the cache of what is copied counts, and makes room.
MemoryMax=512M
TasksMax=64
UMask=0077

# A device that nothing has mounted is mounted here, for this process alone: the mount ends with it, however it ends.
PrivateMounts=yes
RuntimeDirectory=kelvin-provision/media
RuntimeDirectoryMode=0700
RuntimeDirectoryPreserve=yes
# It writes its state and nothing else, and reads block devices.
ProtectSystem=strict
ReadWritePaths={state_dir}
ProtectHome=read-only
PrivateTmp=yes
DevicePolicy=closed
DeviceAllow=block-* r
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
# To mount; and files on a medium may belong to any user.
CapabilityBoundingSet=CAP_SYS_ADMIN CAP_DAC_READ_SEARCH
NoNewPrivileges=yes
KeyringMode=private
LockPersonality=yes
RemoveIPC=yes
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
# The socket of the runtime, and the cluster; the resolver uses netlink.
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
SystemCallArchitectures=native
SystemCallFilter=@system-service @mount
SystemCallFilter=~@resources
SystemCallErrorNumber=EPERM
"""

_RULE = """\
# Written by `kelvin-provision media install`, which overwrites it. Starts a unit for a filesystem on a medium that arrives.
ACTION!="add|change", GOTO="kelvin_provision_end"
SUBSYSTEM!="block", GOTO="kelvin_provision_end"
KERNEL!="sd*|mmcblk*|sr*", GOTO="kelvin_provision_end"
ENV{{ID_FS_USAGE}}!="filesystem", GOTO="kelvin_provision_end"
ENV{{ID_BUS}}=="usb", TAG+="systemd", ENV{{SYSTEMD_WANTS}}+="{instance}"
ENV{{ID_BUS}}!="usb", ATTRS{{removable}}=="1", TAG+="systemd", ENV{{SYSTEMD_WANTS}}+="{instance}"
LABEL="kelvin_provision_end"
"""


def render_unit(command: Sequence[str], state_dir: Path, environment: Mapping[str, str]) -> str:
    """For this command, whose first word is an absolute path, and which gets the device."""
    lines = variables(environment)
    return _UNIT.format(name=UNIT, command=command_line(command), environment=lines, state_dir=quoted(str(state_dir)))


def render_rule() -> str:
    """`%k` is the kernel's name of the device."""
    return _RULE.format(instance=UNIT.replace("@", "@%k"))
