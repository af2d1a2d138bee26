"""A change is not possible now, or did not work: the lock, the plan, windows, holds, hooks and the rollback."""

from __future__ import annotations

import os

from kelvin_provision.errors.base import ProvisionError
from kelvin_provision.hints import command


class Locked(ProvisionError):
    """Another command is changing this box; the message says who, and since when."""

    code, exit_code, temporary = "locked", os.EX_TEMPFAIL, True
    hint_default = "wait until it ends, then try again"


class LeadElsewhere(ProvisionError):
    """Another box leads the cluster, so that this one changes nothing of it."""

    code, exit_code, of_box = "lead-elsewhere", os.EX_UNAVAILABLE, True
    hint_default = "make the change there"


class PlanRefused(ProvisionError):
    """The plan cannot work; nothing was changed, and the evidence lists every finding."""

    code, exit_code = "plan-refused", os.EX_DATAERR
    hint_default = "correct the findings, deploy again, then apply"


class StagingFailed(ProvisionError):
    """An image cannot be staged, and trying again does not help; the running version was not touched."""

    code, exit_code = "staging-failed", 1
    hint_default = "fix what the message names, then deploy again"


class VersionRefused(ProvisionError):
    """The cluster would refuse the staged version, as a dry run at the end of staging found; nothing was changed."""

    code, exit_code = "version-refused", 1
    hint_default = command("workloads apply", names=("NAME",), instruction="deploy a corrected version; if the cluster has been corrected")


class ApplyFailed(ProvisionError):
    """The new version did not come up; everything was rolled back to what ran before."""

    code, exit_code = "apply-failed", 1
    hint_default = command("workloads show", names=("NAME",))


class ApplyLeft(ProvisionError):
    """The new version did not come up and was kept as it is, because of --no-rollback."""

    code, exit_code = "apply-left", 1
    hint_default = command("workloads rollback", names=("NAME",))


class StartFailed(ProvisionError):
    """The workload did not come up after the start; it stays started, and the cluster keeps trying."""

    code, exit_code = "start-failed", 1
    hint_default = command("workloads show", names=("NAME",))


class UndoFailed(ProvisionError):
    """The new version did not come up, and rolling back failed too; the evidence says what is certain."""

    code, exit_code = "undo-failed", os.EX_OSERR
    hint_default = command("workloads list", note="the next command tries the rollback again")


class Interrupted(ProvisionError):
    """A signal stopped the command; a change under way was undone, unless the message says that it was kept."""

    code, exit_code = "interrupted", 130


class ClockBehind(ProvisionError):
    """The clock of this box is behind the last recorded change, so no apply can be scheduled by it."""

    code, exit_code = "clock-behind", os.EX_TEMPFAIL
    hint_default = "set the clock (timedatectl, date); if it was wrong when the version was staged, deploy again"


class OutsideWindow(ProvisionError):
    """The apply window (apply.window) is closed; the message says when it opens."""

    code, exit_code, temporary = "outside-window", os.EX_TEMPFAIL, True
    hint_default = "wait until it opens, schedule the apply with --at, or add --force"


class WorkloadHeld(ProvisionError):
    """The workload is held, by itself or by a person; the message says why, and since when."""

    code, exit_code, temporary = "held", os.EX_TEMPFAIL, True
    hint_default = command("workloads show", names=("NAME",), note="wait until the hold ends, or add --force")


class HookFailed(ProvisionError):
    """A pre-apply hook exited with a code other than 0; the evidence is its output."""

    code, exit_code = "hook-failed", 1
    hint_default = "fix what the hook reports, then apply again"


class HookTimeout(ProvisionError):
    """A pre-apply hook took longer than hooks_timeout and was killed with all its processes."""

    code, exit_code = "hook-timeout", 1
    hint_default = "find out why the hook hangs, or raise hooks_timeout"


class HookRefused(ProvisionError):
    """A hook was not run: users other than root can change it, or it is not executable."""

    code, exit_code = "hook-refused", os.EX_CONFIG
    hint_default = "chown root, chmod 755, and a first line such as #!/bin/sh"
