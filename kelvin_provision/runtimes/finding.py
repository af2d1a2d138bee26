"""Which containerd is this box's, and with what program it is spoken to."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable

from kelvin_provision.errors import RuntimeUnreachable
from kelvin_provision.hints import system
from kelvin_provision.runtimes.containerd import Containerd
from kelvin_provision.settings.model import RuntimeSettings

K3S_SOCKET = "/run/k3s/containerd/containerd.sock"
SOCKET = "/run/containerd/containerd.sock"
# sudo's secure_path leaves these out on some systems, and k3s installs itself there.
_MORE_PATHS = ("/usr/local/bin", "/opt/bin")


def _there(path: str) -> bool:
    """A socket in a folder that we may not enter counts: the answer is then about permission, not about a dead daemon."""
    try:
        os.stat(path)  # noqa: PTH116  (paths of sockets are text here, also unix:// ones)
    except PermissionError:
        return True
    except OSError:
        return False
    return True


def find(
    settings: RuntimeSettings,
    *,
    exists: Callable[[str], bool] = _there,
    which: Callable[..., str | None] = shutil.which,
) -> Containerd:
    """The containerd of this box: the address that is set, else k3s's own when there is a k3s, else the system's.

    Raises RuntimeUnreachable when there is no socket or no `ctr`.
    """
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), *_MORE_PATHS])
    k3s, ctr = which("k3s", path=path), which("ctr", path=path)
    # A k3s that is down is still the one that will run the pods: never Docker's containerd, which is there on many boxes.
    address = (settings.address or (K3S_SOCKET if k3s or exists(K3S_SOCKET) else SOCKET)).removeprefix("unix://")
    of_k3s = "/k3s/" in address
    unit = "k3s" if of_k3s else "containerd"
    if not exists(address):
        raise RuntimeUnreachable(f"containerd does not listen on {address}", hint=system("systemctl", "status", unit))
    if k3s and (of_k3s or not ctr):
        return Containerd(address, settings.namespace, (k3s, "ctr"))
    if ctr:
        return Containerd(address, settings.namespace, (ctr,))
    raise RuntimeUnreachable(
        f"containerd listens on {address}, but there is neither k3s nor ctr to speak to it", hint=system("apt", "install", "containerd")
    )
