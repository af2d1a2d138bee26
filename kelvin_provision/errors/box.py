"""The box itself: runtime, cluster, permissions, disk, settings, state, agent, and our own bugs."""

from __future__ import annotations

import os

from kelvin_provision.errors.base import ProvisionError
from kelvin_provision.hints import command, system


class RuntimeUnreachable(ProvisionError):
    """containerd or Docker Engine does not respond."""

    code, exit_code, temporary = "runtime-unreachable", os.EX_UNAVAILABLE, True


class RuntimeFailed(ProvisionError):
    """containerd or Docker Engine could not import an image because of a problem of its own: disk, memory or a restart."""

    code, exit_code, temporary = "runtime-failed", os.EX_UNAVAILABLE, True
    hint_default = "no action is needed if the problem passes: the agent tries again"


class ClusterUnreachable(ProvisionError):
    """The Kubernetes API or Docker Engine does not respond."""

    code, exit_code, temporary = "cluster-unreachable", os.EX_UNAVAILABLE, True


class ClusterDenied(ProvisionError):
    """The cluster rejects the credentials, or they lack a permission that the change needs."""

    code, exit_code = "cluster-denied", os.EX_NOPERM
    hint_default = "run as root, or use a kubeconfig with permission to change the namespace"


class ClusterRefused(ProvisionError):
    """The cluster rejected an object."""

    code, exit_code = "cluster-refused", os.EX_DATAERR


class RemovalUnfinished(ProvisionError):
    """Objects that were deleted are still on the cluster, held by a finalizer or by a pod that does not end; the evidence names them."""

    code, exit_code, temporary = "removal-unfinished", os.EX_TEMPFAIL, True
    hint_default = command("workloads undeploy", names=("NAME",), note="it continues once they are gone")


class ClusterMissing(ProvisionError):
    """There is neither Kubernetes nor Docker Engine on this box."""

    code, exit_code, of_box = "cluster-missing", os.EX_CONFIG, True
    hint_default = "install k3s or Docker Engine, or set cluster.kubeconfig"


class PermissionRefused(ProvisionError):
    """This user has no permission for a file, a directory or a socket."""

    code, exit_code, of_box = "permission-refused", os.EX_NOPERM, True
    hint_default = command("...", instruction="run as root", sudo=True)


class NoSpace(ProvisionError):
    """The disk is full; what was downloaded is kept."""

    code, exit_code, temporary = "no-space", os.EX_CANTCREAT, True
    hint_default = "free some space; nothing was lost"


class CannotWrite(ProvisionError):
    """The state directory or another file cannot be written, or the disk fails."""

    code, exit_code, of_box = "cannot-write", os.EX_CANTCREAT, True
    hint_default = "check the disk and its mount options, or choose another directory with --state-dir"


class SettingsInvalid(ProvisionError):
    """A settings file or variable is invalid."""

    code, exit_code, of_box = "settings-invalid", os.EX_CONFIG, True
    hint_default = command("config show")


class SettingMissing(ProvisionError):
    """A setting of this box is needed for this, and is not set."""

    code, exit_code = "setting-missing", os.EX_CONFIG
    hint_default = command("config set", "KEY", "VALUE", sudo=True)


class StateTooNew(ProvisionError):
    """The state was written by a newer version of this program."""

    code, exit_code, of_box = "state-too-new", os.EX_CONFIG, True
    hint_default = "upgrade kelvin-provision on this box first"


class StateDamaged(ProvisionError):
    """The ledger, or a row of it, cannot be read; the message names table and row."""

    code, exit_code, of_box = "state-damaged", os.EX_CONFIG, True
    hint_default = command(
        "support-bundle", instruction="keep a copy of the state directory", note="workloads on the cluster are not affected"
    )


class AgentSilent(ProvisionError):
    """The background agent could not be started, ended at once, or does not answer."""

    code, exit_code = "agent-silent", os.EX_UNAVAILABLE
    hint_default = command("agent run", "-v")


class ServiceFailed(ProvisionError):
    """systemd could not do with a service what it was asked for."""

    code, exit_code = "service-failed", os.EX_UNAVAILABLE
    hint_default = system("systemctl", "--failed")


class OurBug(ProvisionError):
    """An internal error, a bug of this program; -v shows where."""

    code, exit_code, of_box = "our-bug", os.EX_SOFTWARE, True
    hint_default = "run it again with -v and report the output"
