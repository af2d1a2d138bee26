"""Every failure a person can meet: one class each, with code, exit code and next step.

Knows nothing but words and numbers. Exit codes are those of sysexits(3), see DESIGN section 9;
`docs/exit-codes.md` is generated from these classes. A retired code stays reserved.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from kelvin_provision.wait_reason import WaitReason

from kelvin_provision.hints import Hint, command


class ProvisionError(Exception):
    """The root: never raised itself. `evidence` holds short lines gathered before anything was undone."""

    code: ClassVar[str] = ""
    exit_code: ClassVar[int] = 0
    hint_default: ClassVar[Hint | str] = ""
    temporary: ClassVar[bool] = False
    wait_reason: WaitReason | None = None
    """What has to be waited for, where that is more than the message."""

    def __init__(self, message: str, *, hint: Hint | str = "", evidence: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.hint = Hint.of(hint or self.hint_default)
        self.evidence = tuple(evidence)


def leaves(cls: type[ProvisionError] = ProvisionError) -> Iterator[type[ProvisionError]]:
    """Every class that can be raised: the ones with a code."""
    for child in cls.__subclasses__():
        if child.code:
            yield child
        yield from leaves(child)


# --- what was asked for ---------------------------------------------------------------------------


class UsageRefused(ProvisionError):
    """The arguments contradict each other, or something is missing from them."""

    code, exit_code = "usage", 2
    hint_default = command("--help")


class ConfirmationNeeded(ProvisionError):
    """A destructive command was given without a terminal to ask on and without --yes."""

    code, exit_code = "confirmation-needed", 2
    hint_default = "add --yes to go ahead without being asked"


class RequestRefused(ProvisionError):
    """A request is not right; the evidence lists every finding with file, document and path."""

    code, exit_code = "request-refused", os.EX_DATAERR
    hint_default = "correct the findings and deploy again; nothing was stored"


class FileUnreadable(ProvisionError):
    """A file that was named cannot be read."""

    code, exit_code = "file-unreadable", os.EX_NOINPUT
    hint_default = "check the path and its permissions"


class ReferenceInvalid(ProvisionError):
    """An image reference cannot be read."""

    code, exit_code = "reference-invalid", os.EX_DATAERR
    hint_default = "a reference is host[:port]/path[:tag][@sha256:digest]"


class SecretMissing(ProvisionError):
    """A request names a secret that this box does not have."""

    code, exit_code = "secret-missing", os.EX_DATAERR
    hint_default = "write the value to /etc/kelvin-provision/secrets/NAME, mode 0600"


class WorkloadUnknown(ProvisionError):
    """No workload of that name is known here."""

    code, exit_code = "workload-unknown", os.EX_NOINPUT
    hint_default = command("workloads list")


class NothingStaged(ProvisionError):
    """The workload has no staged revision to apply."""

    code, exit_code = "nothing-staged", os.EX_NOINPUT
    hint_default = command("workloads deploy", "--staged", "--no-instantly-apply", "...")


class NothingApplied(ProvisionError):
    """The workload has no version that was ever applied, so there is nothing to start."""

    code, exit_code = "nothing-applied", os.EX_NOINPUT
    hint_default = command("workloads apply", names=("NAME",))


class NothingToRollBack(ProvisionError):
    """No earlier version of the workload that came up is kept on this box."""

    code, exit_code = "nothing-to-roll-back", os.EX_NOINPUT
    hint_default = command("workloads history", names=("NAME",))


class RevisionUnknown(ProvisionError):
    """The workload has no kept revision of that number; the evidence lists those that it has."""

    code, exit_code = "revision-unknown", os.EX_NOINPUT
    hint_default = command("workloads history", names=("NAME",))


class HistoryBroken(ProvisionError):
    """The history's chain of hashes does not fit: somebody changed or removed a line."""

    code, exit_code = "history-broken", os.EX_DATAERR
    hint_default = "keep a copy of the ledger; workloads and images are not affected"


class NotReady(ProvisionError):
    """The staged revision is not complete yet."""

    code, exit_code = "not-ready", os.EX_TEMPFAIL
    hint_default = command("workloads list", "--staged")


class CheckFailed(ProvisionError):
    """A check found something that cannot work, or with --strict a warning; nothing was touched and the evidence lists each."""

    code, exit_code = "check-failed", 1
    hint_default = "do what stands under each line; --skip ID leaves a check out"


class CursorInvalid(ProvisionError):
    """What was given as a cursor of a list is none of ours, or not whole."""

    code, exit_code = "cursor-invalid", os.EX_DATAERR
    hint_default = "begin again without --next"


class WaitTimeout(ProvisionError):
    """The time to wait is over; the message says where each workload is. What is under way goes on."""

    code, exit_code = "wait-timeout", os.EX_TEMPFAIL
    hint_default = command("workloads list")


class WaitFailed(ProvisionError):
    """The state that was waited for cannot be reached any more; the message says why."""

    code, exit_code = "wait-failed", 1
    hint_default = command("workloads show", names=("NAME",))


class LogMissing(ProvisionError):
    """The cluster has no log of that workload, or none of an earlier run."""

    code, exit_code = "log-missing", os.EX_NOINPUT
    hint_default = command("workloads show", "--live", names=("NAME",))


class Locked(ProvisionError):
    """Another command is changing this box; the message says who and since when."""

    code, exit_code, temporary = "locked", os.EX_TEMPFAIL, True
    hint_default = "wait for it to end, then try again"


class PlanRefused(ProvisionError):
    """The plan cannot work; nothing was touched and the evidence lists every finding."""

    code, exit_code = "plan-refused", os.EX_DATAERR
    hint_default = "correct the findings, deploy again, then apply"


class StagingFailed(ProvisionError):
    """An image could not be brought here for good; what runs was not touched."""

    code, exit_code = "staging-failed", 1
    hint_default = "correct what the message names, then deploy again"


class ApplyFailed(ProvisionError):
    """The new version did not come up; everything is back to what ran before."""

    code, exit_code = "apply-failed", 1
    hint_default = command("workloads show", names=("NAME",))


class ApplyLeft(ProvisionError):
    """The new version did not come up and was left as it is, because --no-rollback asked for that."""

    code, exit_code = "apply-left", 1
    hint_default = command("workloads rollback", names=("NAME",))


class StartFailed(ProvisionError):
    """It was started and is not up; it is left started, and the cluster goes on trying."""

    code, exit_code = "start-failed", 1
    hint_default = command("workloads show", names=("NAME",))


class UndoFailed(ProvisionError):
    """The new version did not come up and the way back failed too; the evidence says what is certain."""

    code, exit_code = "undo-failed", os.EX_OSERR
    hint_default = command("workloads list", note="the next command tries the way back again")


class Interrupted(ProvisionError):
    """Stopped by a signal; what was under way was undone, unless the message says that it was left."""

    code, exit_code = "interrupted", 130


# --- when, and whether at all -----------------------------------------------------------------------


class TimeRefused(ProvisionError):
    """A time that was given cannot be read, is past, too far away, or is none on that day's clock."""

    code, exit_code = "time-refused", 2
    hint_default = 'a time is 02:00 (the next one), "2026-11-23 02:00" (local), or 2026-11-23T02:00:00+01:00'


class ClockBehind(ProvisionError):
    """The clock of this box shows a time before what it has done already, so nothing can be planned by it."""

    code, exit_code = "clock-behind", os.EX_TEMPFAIL
    hint_default = "set the clock (timedatectl, date); if it was wrong when that was staged, deploy again"


class OutsideWindow(ProvisionError):
    """The setting apply.window is closed now; the message says when it opens."""

    code, exit_code, temporary = "outside-window", os.EX_TEMPFAIL, True
    hint_default = "wait for it, let the agent do it then with --at, or add --force"


class WorkloadHeld(ProvisionError):
    """A workload, or a person, asks that it is not changed now; the message says why and since when."""

    code, exit_code, temporary = "held", os.EX_TEMPFAIL, True
    hint_default = command("workloads show", names=("NAME",), note="wait until the hold ends, or add --force")


class HookFailed(ProvisionError):
    """A pre-apply hook ended with another exit code than 0; the evidence is what it wrote."""

    code, exit_code = "hook-failed", 1
    hint_default = "correct what the hook complains of, then apply again"


class HookTimeout(ProvisionError):
    """A pre-apply hook took longer than hooks_timeout and was killed with all that it had started."""

    code, exit_code = "hook-timeout", 1
    hint_default = "see why it hangs, or set hooks_timeout"


class HookRefused(ProvisionError):
    """A hook is not run: others than root may change it, or it cannot be started."""

    code, exit_code = "hook-refused", os.EX_CONFIG
    hint_default = "chown root, chmod 755, and a first line such as #!/bin/sh"


# --- images and registries ------------------------------------------------------------------------


class DigestMismatch(ProvisionError):
    """Bytes are not those that the digest promises; they were quarantined, not used."""

    code, exit_code = "digest-mismatch", os.EX_DATAERR
    hint_default = "deploy again; if it stays, the registry or a proxy on the way alters what it serves"


class ManifestInvalid(ProvisionError):
    """The registry answered with something that is no image manifest."""

    code, exit_code = "manifest-invalid", os.EX_DATAERR
    hint_default = "push the image again with a current tool"


class PlatformMissing(ProvisionError):
    """The image has no variant for this node's platform."""

    code, exit_code = "platform-missing", os.EX_DATAERR
    hint_default = "build and push the image for this platform"


class ImageUnsupported(ProvisionError):
    """The image uses something that this runtime cannot load."""

    code, exit_code = "image-unsupported", os.EX_DATAERR


class ImageNotFound(ProvisionError):
    """The registry does not know that image."""

    code, exit_code = "image-not-found", os.EX_NOINPUT
    hint_default = command("config show", instruction="check app_name, app_version and the setting registry")


class RegistryDenied(ProvisionError):
    """The registry refuses these credentials, or wants some."""

    code, exit_code = "registry-denied", os.EX_NOPERM
    hint_default = "docker login HOST, or set registries.HOST.auth_file"


class RegistryUnreachable(ProvisionError):
    """The registry does not answer, or breaks off."""

    code, exit_code, temporary = "registry-unreachable", os.EX_UNAVAILABLE, True
    stalled = False
    """Whether it was waited for in vain, so that fewer connections may help."""
    hint_default = "check the network; the download goes on from the byte where it stopped"


class RegistryBusy(ProvisionError):
    """The registry answers that it cannot serve now (429 or 5xx)."""

    code, exit_code, temporary = "registry-busy", os.EX_UNAVAILABLE, True
    stalled = True
    retry_after = 0.0
    """Seconds that the registry asks us to wait, or 0."""
    hint_default = "nothing to do: the agent tries again"


class RegistryRefused(ProvisionError):
    """The registry refuses the request for a reason that trying again does not heal."""

    code, exit_code = "registry-refused", os.EX_UNAVAILABLE
    hint_default = command("config show", instruction="check the setting registry, its mirrors, and any proxy between")


class TransferStopped(ProvisionError):
    """A download was stopped because it is no longer wanted or the agent ends; the partial is kept."""

    code, exit_code = "transfer-stopped", os.EX_TEMPFAIL


class DownloadWaits(ProvisionError):
    """Nothing is downloaded now, as download.window or download.budget has it; the agent goes on by itself."""

    code, exit_code, temporary = "download-waits", os.EX_TEMPFAIL, True
    hint_default = command("config show", instruction="nothing to do; the limits are in")


class BudgetTooSmall(ProvisionError):
    """A download cannot be resumed, and from its first byte it does not fit into one day's download.budget."""

    code, exit_code = "budget-too-small", os.EX_CONFIG
    hint_default = "raise download.budget, or add a mirror that serves ranges, then deploy again"


# --- runtimes and clusters ------------------------------------------------------------------------


class RuntimeUnreachable(ProvisionError):
    """containerd or Docker Engine does not answer."""

    code, exit_code, temporary = "runtime-unreachable", os.EX_UNAVAILABLE, True


class ImportFailed(ProvisionError):
    """The runtime did not take the image; the evidence has its own words."""

    code, exit_code = "import-failed", 1
    hint_default = command("workloads deploy", "-f", "FILE", note="the downloaded bytes are kept")


class ClusterUnreachable(ProvisionError):
    """The Kubernetes API or Docker Engine does not answer."""

    code, exit_code, temporary = "cluster-unreachable", os.EX_UNAVAILABLE, True


class ClusterDenied(ProvisionError):
    """The cluster refuses these credentials or lacks permission for the change."""

    code, exit_code = "cluster-denied", os.EX_NOPERM
    hint_default = "run as root, or use a kubeconfig with permission to change the namespace"


class ClusterRefused(ProvisionError):
    """The cluster does not accept an object."""

    code, exit_code = "cluster-refused", os.EX_DATAERR


class ClusterMissing(ProvisionError):
    """There is neither a reachable Kubernetes nor a Docker Engine on this box."""

    code, exit_code = "cluster-missing", os.EX_CONFIG
    hint_default = "install k3s or Docker Engine, or set cluster.kubeconfig"


# --- this box -------------------------------------------------------------------------------------


class PermissionRefused(ProvisionError):
    """A file, folder or socket may not be used by this user."""

    code, exit_code = "permission-refused", os.EX_NOPERM
    hint_default = command("...", instruction="run as root", sudo=True)


class NoSpace(ProvisionError):
    """The disk has no room; what was downloaded is kept."""

    code, exit_code, temporary = "no-space", os.EX_CANTCREAT, True
    hint_default = "free some space; nothing was lost"


class CannotWrite(ProvisionError):
    """The state folder cannot be written."""

    code, exit_code = "cannot-write", os.EX_CANTCREAT
    hint_default = "check the disk and its mount options, or choose another folder with --state-dir"


class SettingsInvalid(ProvisionError):
    """A configuration file or variable is not right."""

    code, exit_code = "settings-invalid", os.EX_CONFIG
    hint_default = command("config show")


class StateTooNew(ProvisionError):
    """The state was written by a newer version of this program."""

    code, exit_code = "state-too-new", os.EX_CONFIG
    hint_default = "upgrade kelvin-provision on this box first"


class StateDamaged(ProvisionError):
    """The ledger cannot be read."""

    code, exit_code = "state-damaged", os.EX_CONFIG
    hint_default = "keep a copy of the state folder; what runs on the cluster is not affected"


class AgentSilent(ProvisionError):
    """The background agent could not be started, or ended at once."""

    code, exit_code = "agent-silent", os.EX_UNAVAILABLE
    hint_default = command("agent run", "-v")


class OurBug(ProvisionError):
    """Something that must not happen; `-v` shows where."""

    code, exit_code = "our-bug", os.EX_SOFTWARE
    hint_default = "run it again with -v and report what it prints"
