"""What may keep an apply from starting: the window, holds, hooks. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from kelvin_provision.check_result import CheckFinding, error, ok, warning
from kelvin_provision.errors import ProvisionError


class Hooks(NamedTuple):
    """The number of hooks, and why some of them would be refused."""

    total: int
    refused: Sequence[ProvisionError] = ()


def opened(obstacle: ProvisionError | None) -> Iterator[CheckFinding]:
    """`gate`: whether an apply could start now. It may be planned for later, so a closed gate is only a warning."""
    yield ok("open: no hold, and inside the window") if obstacle is None else warning(str(obstacle), obstacle.hint)


def hooks(scripts: Hooks) -> Iterator[CheckFinding]:
    """`hooks`: whether each could be run."""
    for refusal in scripts.refused:
        yield error(str(refusal), refusal.hint)
    if not scripts.refused:
        yield ok(f"{scripts.total} hook{'' if scripts.total == 1 else 's'} of this site" if scripts.total else "none")
