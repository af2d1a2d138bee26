"""How a layer comes to a box as a delta: what is downloaded in its place, what is made of it, and how that ended. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field, replace
from enum import StrEnum
from typing import Any, Self

from kelvin_provision.fast_dataclass import checked, dataclass
from kelvin_provision.quantity import format_bytes
from kelvin_provision.refs import Descriptor, is_digest


class DeltaMode(StrEnum):
    """`download.deltas`. `ONLY`: a layer that has no usable delta is not downloaded, unless it is small."""

    AUTO = "auto"
    OFF = "off"
    ONLY = "only"


SMALL = 128 << 10
"""A layer of so many bytes is downloaded whole: to look for its delta takes as long."""
_LONGEST_REASON = 300
_MOST_REFUSED = 16


@dataclass(frozen=True)
class LayerPlan:
    """`delta` is downloaded in place of `layer`; with the layers `needs` (diff ids) it makes `rebuilt`, which is the layer uncompressed."""

    layer: Descriptor
    delta: Descriptor
    rebuilt: Descriptor
    needs: tuple[str, ...]
    memory: int

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Raises ValueError, TypeError, KeyError for a document that is damaged."""
        layer, delta, rebuilt = (_blob(document[key]) for key in ("layer", "delta", "rebuilt"))
        needs = tuple(map(_digest, document["needs"]))
        return cls(layer, delta, rebuilt, needs, _number(document["memory"]))


@dataclass(frozen=True)
class LayerRecord:
    """What is known of the deltas of one layer. Without `plan`, it comes whole.

    `done`: it was rebuilt. `refused`: deltas that could not be used, and why, the last one last.
    """

    plan: LayerPlan | None = None
    done: bool = False
    refused: Mapping[str, str] = field(default_factory=dict)
    reason: str = ""
    """Why it comes whole although there was a delta."""

    def refuse(self, why: str, delta: str = "") -> LayerRecord:
        """Without its plan. `delta` is not tried again; without one, it may be."""
        known = dict(list(self.refused.items())[1 - _MOST_REFUSED :])
        reason = why[:_LONGEST_REASON]
        return LayerRecord(refused=known | ({delta: reason} if delta else {}), reason=reason)

    def finished(self) -> LayerRecord:
        return replace(self, done=True, reason="")

    def to_json(self) -> dict[str, Any]:
        plan = self.plan
        document = None
        if plan is not None:
            document = {"needs": list(plan.needs), "memory": plan.memory} | {
                name: [blob.media_type, blob.digest, blob.size]
                for name, blob in (("layer", plan.layer), ("delta", plan.delta), ("rebuilt", plan.rebuilt))
            }
        return {"plan": document, "done": self.done, "refused": dict(self.refused), "reason": self.reason}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`. Raises ValueError, TypeError, KeyError, AttributeError for a document that is damaged."""
        plan = LayerPlan.from_json(document["plan"]) if document["plan"] is not None else None
        refused = {_digest(digest): str(why) for digest, why in document["refused"].items()}
        return cls(plan, document["done"] is True and plan is not None, refused, str(document["reason"]))


@dataclass(frozen=True)
class DeltaUse:
    """What deltas do for an image: `bytes` of them come instead of `instead_of`, for so many layers. `reasons`: why others come whole."""

    bytes: int = 0
    instead_of: int = 0
    layers: int = 0
    reasons: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.layers or self.reasons)

    @property
    def text(self) -> str:
        """For people: `delta: 59 kB instead of 221 MB`."""
        used = f"delta: {format_bytes(self.bytes)} instead of {format_bytes(self.instead_of)}" if self.layers else ""
        return "; ".join(filter(None, (used, *(f"no delta: {reason}" for reason in self.reasons))))

    def to_json(self) -> dict[str, Any]:
        return {"bytes": self.bytes, "instead_of": self.instead_of, "layers": self.layers, "reasons": list(self.reasons)}


NO_DELTAS = DeltaUse()


def use_of(records: Iterable[LayerRecord]) -> DeltaUse:
    """Of the layers of an image."""
    known = list(records)
    plans = [record.plan for record in known if record.plan is not None]
    reasons = dict.fromkeys(record.reason for record in known if record.plan is None and record.reason)
    return DeltaUse(sum(plan.delta.size for plan in plans), sum(plan.layer.size for plan in plans), len(plans), tuple(reasons))


def _blob(value: Any) -> Descriptor:
    blob = checked(Descriptor, dict(zip(("media_type", "digest", "size"), value, strict=True)))
    _digest(blob.digest)
    _number(blob.size)
    return blob


def _digest(value: Any) -> str:
    if not isinstance(value, str) or not is_digest(value):
        raise ValueError(value)
    return value


def _number(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 1 << 53:
        raise ValueError(value)
    return value
