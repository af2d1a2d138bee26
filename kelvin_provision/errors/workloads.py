"""A workload is not there, or not in the state that a command needs."""

from __future__ import annotations

import os

from kelvin_provision.errors.base import ProvisionError
from kelvin_provision.hints import command


class WorkloadUnknown(ProvisionError):
    """There is no workload of that name on this box."""

    code, exit_code = "workload-unknown", os.EX_NOINPUT
    hint_default = command("workloads list")


class OrderUnknown(ProvisionError):
    """There is no order with that code or number on this box."""

    code, exit_code = "order-unknown", os.EX_NOINPUT
    hint_default = command("workloads history", "--limit", "20", instruction="look for it in the history")


class NothingStaged(ProvisionError):
    """The workload has no staged version to apply."""

    code, exit_code = "nothing-staged", os.EX_NOINPUT
    hint_default = command("workloads deploy", "FILE")


class NothingApplied(ProvisionError):
    """No version of the workload was ever applied, so there is nothing to start."""

    code, exit_code = "nothing-applied", os.EX_NOINPUT
    hint_default = command("workloads apply", names=("NAME",))


class NothingToRollBack(ProvisionError):
    """No earlier version of the workload that came up is kept on this box."""

    code, exit_code = "nothing-to-roll-back", os.EX_NOINPUT
    hint_default = command("workloads history", names=("NAME",))


class RevisionUnknown(ProvisionError):
    """The workload has no kept revision of that number; the evidence lists the kept ones."""

    code, exit_code = "revision-unknown", os.EX_NOINPUT
    hint_default = command("workloads history", names=("NAME",))


class HistoryBroken(ProvisionError):
    """The hash chain of the history is broken: a line was changed or removed."""

    code, exit_code = "history-broken", os.EX_DATAERR
    hint_default = "keep a copy of the ledger; workloads and images are not affected"


class NotReady(ProvisionError):
    """The staged version is not completely downloaded yet."""

    code, exit_code = "not-ready", os.EX_TEMPFAIL
    hint_default = command("workloads list", "--staged")


class CheckFailed(ProvisionError):
    """A check found an error, or with --strict a warning; nothing was changed, and the evidence lists each one."""

    code, exit_code = "check-failed", 1
    hint_default = "follow the hint below each check; --skip ID skips a check"


class RehearsalFailed(ProvisionError):
    """A staged version did not come up in its rehearsal, or could not be rehearsed; the running version was not touched."""

    code, exit_code = "rehearsal-failed", 1
    hint_default = command("workloads show", names=("NAME",))


class RehearsalEnded(ProvisionError):
    """A change began while a version was rehearsed, which ends the rehearsal; nothing of it is left."""

    code, exit_code, temporary = "rehearsal-ended", os.EX_TEMPFAIL, True
    hint_default = command("workloads rehearse", names=("NAME",))


class WaitTimeout(ProvisionError):
    """The timeout is over; the message says where each workload is. The work itself continues."""

    code, exit_code = "wait-timeout", os.EX_TEMPFAIL
    hint_default = command("workloads list")


class WaitFailed(ProvisionError):
    """The state that was waited for cannot be reached any more; the message says why."""

    code, exit_code = "wait-failed", 1
    hint_default = command("workloads show", names=("NAME",))


class LogMissing(ProvisionError):
    """The cluster has no log of this workload, or none from before its last restart."""

    code, exit_code = "log-missing", os.EX_NOINPUT
    hint_default = command("workloads show", "--live", names=("NAME",))
