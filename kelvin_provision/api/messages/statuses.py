"""From an error of a use-case or a query to the status of HTTP."""

from __future__ import annotations

import os
from collections.abc import Collection

from kelvin_provision import errors
from kelvin_provision.errors import ProvisionError

_CLASSES: dict[type[ProvisionError], int] = {
    errors.NothingStaged: 406,
    errors.NotReady: 406,
    errors.StagingFailed: 406,
    errors.ApplyFailed: 406,
    errors.VersionRefused: 406,
    errors.OutsideWindow: 406,
    errors.WorkloadHeld: 406,
    errors.ClockBehind: 406,
    errors.PackageImpossible: 412,
    errors.NothingApplied: 409,
    errors.NothingToRollBack: 409,
    errors.LogMissing: 409,
    errors.PlanRefused: 409,
    errors.UploadsFull: 409,
    errors.SettingMissing: 409,
    errors.NoSpace: 507,
    errors.HistoryBroken: 503,
    errors.OurBug: 500,
}
_EXIT_CODES = {2: 400, os.EX_DATAERR: 400, os.EX_NOINPUT: 404}
_ONLY_WHERE_DECLARED = frozenset({406, 409, 412})
"""Clients of the platform know these codes on some routes only; elsewhere they read 400."""


def status_of(error: ProvisionError, declared: Collection[int]) -> int:
    """500 for our bugs alone. `declared` are the codes of the route."""
    exact = next((status for kind, status in _CLASSES.items() if isinstance(error, kind)), None)
    status = exact or _EXIT_CODES.get(error.exit_code, 503)
    return 400 if status in _ONLY_WHERE_DECLARED and status not in declared else status
