"""What stands before an apply on purpose: the window of the box, those who hold a workload, the hooks of the site. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from kelvin_provision.check_result import CheckFinding, error, ok, warning
from kelvin_provision.errors import ProvisionError


class Hooks(NamedTuple):
    """How many hooks there are, and why some of them would not be run."""

    known: int
    refused: Sequence[ProvisionError] = ()


def opened(obstacle: ProvisionError | None) -> Iterator[CheckFinding]:
    """`gate`: whether an apply would be let through now. It may be asked hours ahead, so a closed gate is no error."""
    yield ok("open: no hold, and inside the window") if obstacle is None else warning(str(obstacle), obstacle.hint)


def hooks(scripts: Hooks) -> Iterator[CheckFinding]:
    """`hooks`: whether each could be run. What they do is theirs."""
    for refusal in scripts.refused:
        yield error(str(refusal), refusal.hint)
    if not scripts.refused:
        yield ok(f"{scripts.known} hook{'' if scripts.known == 1 else 's'} of this site" if scripts.known else "none")
