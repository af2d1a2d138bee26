"""What may keep an apply from starting: the window, holds, hooks. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from kelvin_provision import timestamps
from kelvin_provision.applying.assess import RevokedVersion
from kelvin_provision.check_result import NO_HINT, CheckFinding, CheckStatus, error, ok, warning
from kelvin_provision.errors import ProvisionError, VersionRevoked
from kelvin_provision.hints import command
from kelvin_provision.ledger.model.workloads import Rehearsal
from kelvin_provision.status import RehearsalOutcome


class Hooks(NamedTuple):
    """The number of hooks, and why some of them would be refused."""

    total: int
    refused: Sequence[ProvisionError] = ()


def revoked(versions: Sequence[RevokedVersion]) -> Iterator[CheckFinding]:
    """`revoked`: whether what vouches for a staged version, or an image of it, is revoked."""
    for each in versions:
        yield error(f"{each.workload}: version {each.version} is revoked: {each.reason}", VersionRevoked.hint_default)
    if not versions:
        yield ok("nothing of what is staged")


def opened(obstacle: ProvisionError | None) -> Iterator[CheckFinding]:
    """`gate`: whether an apply could start now. It may be planned for later, so a closed gate is only a warning."""
    yield ok("open: no hold, and inside the window") if obstacle is None else warning(str(obstacle), obstacle.hint)


def hooks(scripts: Hooks) -> Iterator[CheckFinding]:
    """`hooks`: whether each could be run."""
    for refusal in scripts.refused:
        yield error(str(refusal), refusal.hint)
    if not scripts.refused:
        yield ok(f"{scripts.total} hook{'' if scripts.total == 1 else 's'} of this site" if scripts.total else "none")


def rehearsed(rehearsals: Mapping[str, Rehearsal | None]) -> Iterator[CheckFinding]:
    """`rehearsal`: how each version fared. A rehearsal is not needed for an apply, so nothing of this is an error."""
    for name, rehearsal in rehearsals.items():
        if rehearsal is None:
            yield CheckFinding(CheckStatus.SKIPPED, "this version was not rehearsed", command("workloads rehearse", names=(name,)), name)
            continue
        when = f"at {timestamps.local_minute(rehearsal.ended)}, revision {rehearsal.revision}"
        if rehearsal.outcome is RehearsalOutcome.OK:
            yield CheckFinding(CheckStatus.OK, f"it came up {when}", NO_HINT, name)
        else:
            words = "it failed" if rehearsal.outcome is RehearsalOutcome.FAILED else "it was not possible"
            yield warning(f"{words} {when}: {rehearsal.reason}", command("workloads show", names=(name,)), name)
