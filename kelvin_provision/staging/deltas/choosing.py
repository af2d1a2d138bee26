"""Which deltas are used: for each layer, the smallest of those offered that can be used here. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from kelvin_provision.deltas.artifact import DeltaLayer
from kelvin_provision.deltas.limits import WORTH
from kelvin_provision.refs import Descriptor
from kelvin_provision.spec.deltas import LayerPlan
from kelvin_provision.spec.rebuilt import plain_layer


@dataclass(frozen=True)
class Missing:
    """A layer that is not here. `left` bytes of it are still to come; `refused` are deltas of it that were tried in vain.

    `spent`: no other delta of it is tried.
    """

    layer: Descriptor
    diff_id: str
    left: int
    refused: Collection[str] = ()
    spent: bool = False


@dataclass(frozen=True)
class Choice:
    """`plan` is None where no delta is used; then `reason` says why, if there was one."""

    plan: LayerPlan | None
    reason: str = ""


def choose(missing: Missing, offers: Iterable[DeltaLayer], has_base: Callable[[str], bool], *, at_any_size: bool = False) -> Choice:
    """`has_base` tells whether a layer is here, by its diff id. `at_any_size`: also a delta that is hardly smaller than its layer."""
    fitting = sorted(_fitting(missing, offers), key=lambda delta: (delta.blob.size, delta.blob.digest))
    if not fitting:
        return Choice(None)
    untried = [delta for delta in fitting if delta.blob.digest not in missing.refused]
    if not untried or missing.spent:
        return Choice(None, "the deltas that there are could not be used")
    usable = next((delta for delta in untried if all(map(has_base, delta.needs))), None)
    if usable is None:
        return Choice(None, "the deltas that there are need versions that this box does not have")
    if not at_any_size and usable.blob.size >= WORTH * missing.left:
        return Choice(None, "its delta would save little")
    rebuilt = plain_layer(missing.layer, missing.diff_id, usable.size)
    return Choice(LayerPlan(missing.layer, usable.blob, rebuilt, usable.needs, usable.memory))


def _fitting(missing: Missing, offers: Iterable[DeltaLayer]) -> Iterable[DeltaLayer]:
    return (
        delta
        for delta in offers
        if delta.diff_id == missing.diff_id
        and delta.replaces == missing.layer.digest
        and delta.blob.size < missing.layer.size
        and delta.size
    )


def still_good(plan: LayerPlan, missing: Missing, has_base: Callable[[str], bool]) -> bool:
    """Whether what was planned before can be done now."""
    fits = plan.layer == missing.layer and plan.rebuilt.digest == missing.diff_id
    return fits and plan.delta.digest not in missing.refused and all(map(has_base, plan.needs))
