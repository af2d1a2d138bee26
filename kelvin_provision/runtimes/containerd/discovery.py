"""Which containerd is this box's, and which program talks to it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable

from kelvin_provision.errors import RuntimeUnreachable
from kelvin_provision.hints import system
from kelvin_provision.runtimes.containerd.runtime import ContainerdRuntime
from kelvin_provision.settings.model import RuntimeSettings

K3S_SOCKET = "/run/k3s/containerd/containerd.sock"
SOCKET = "/run/containerd/containerd.sock"
# sudo's secure_path lacks these on some systems, and k3s installs itself there.
_EXTRA_PATHS = ("/usr/local/bin", "/opt/bin")


def _exists(path: str) -> bool:
    """A socket in a folder that we may not enter counts: the error is then about permission, not about a daemon that does not run."""
    try:
        os.stat(path)  # noqa: PTH116  (addresses of sockets are text here)
    except PermissionError:
        return True
    except OSError:
        return False
    return True


def find(
    settings: RuntimeSettings,
    *,
    exists: Callable[[str], bool] = _exists,
    which: Callable[..., str | None] = shutil.which,
) -> ContainerdRuntime:
    """At the address in the settings, else k3s's own where k3s is installed, else the system's.

    Raises RuntimeUnreachable when there is no socket or no `ctr`.
    """
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), *_EXTRA_PATHS])
    k3s, ctr = which("k3s", path=path), which("ctr", path=path)
    # A k3s that is stopped will still run the pods: never Docker's containerd, which many boxes have too.
    address = (settings.address or (K3S_SOCKET if k3s or exists(K3S_SOCKET) else SOCKET)).removeprefix("unix://")
    of_k3s = "/k3s/" in address
    if not exists(address):
        unit = "k3s" if of_k3s else "containerd"
        raise RuntimeUnreachable(f"containerd does not listen on {address}", hint=system("systemctl", "status", unit))
    if k3s and (of_k3s or not ctr):
        return ContainerdRuntime(address, settings.namespace, (k3s, "ctr"), runs_32_bit=settings.run_32_bit)
    if ctr:
        return ContainerdRuntime(address, settings.namespace, (ctr,), runs_32_bit=settings.run_32_bit)
    if of_k3s:  # never another containerd beside k3s's own
        raise RuntimeUnreachable(
            f"k3s's containerd listens on {address}, but k3s, which has ctr in it, is in none of the folders of PATH",
            hint="link the program k3s to /usr/local/bin/k3s",
        )
    raise RuntimeUnreachable(
        f"containerd listens on {address}, but neither ctr nor k3s is installed to talk to it", hint=system("apt", "install", "containerd")
    )
