"""What an apply would change on a cluster, as data: changes, findings that forbid it, interruptions and drift. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from kelvin_provision.cluster.labels import HOME
from kelvin_provision.hints import Hint
from kelvin_provision.spec.diff.fields import ABSENT
from kelvin_provision.spec.workload import Object


class Op(StrEnum):
    """What happens to one object."""

    CREATE = "create"
    UPDATE = "update"
    KEEP = "keep"
    DELETE = "delete"


@dataclass(frozen=True)
class Change:
    """One object of one workload, and why it changes. `object` is as `describe` has it (`container/name` on Docker)."""

    op: Op
    workload: str
    object: str
    why: str


@dataclass(frozen=True)
class Finding:
    """Why a plan cannot work. `code` is stable: immutable-field, not-ours, field-conflict, invalid-object, unknown-kind,
    denied, namespace-terminating, port-taken, image-missing, image-name-taken, never-up.
    """

    code: str
    workload: str
    object: str
    message: str
    hint: Hint | str = ""
    """What to do about this very one; empty: what its code says."""

    def __str__(self) -> str:
        what = "" if self.message.startswith(self.object) else f"{self.object}: "
        return f"{what}{self.message} [{self.code}]"


@dataclass(frozen=True)
class Interruption:
    """Why requests to a workload may fail for a moment. `certain`: they will."""

    workload: str
    why: str
    certain: bool = True

    def __str__(self) -> str:
        return f"{self.workload}: short interruption{'' if self.certain else ' possible'}: {self.why}"


@dataclass(frozen=True)
class AdmittedImage:
    """An image that the cluster adds to a pod on its way in (`added`), or has pulled at every start (`always`)."""

    workload: str
    container: str
    image: str
    added: bool = False
    always: bool = False

    def __str__(self) -> str:
        if self.added:
            then = " and is pulled at every start" if self.always else ", so it must be in the runtime or be pulled"
            return f"{self.container}: cluster admission adds {self.image}, which is not staged{then}"
        return f"{self.container}: cluster admission sets imagePullPolicy: Always, so {self.image} is not used without its registry"


@dataclass(frozen=True)
class Drift:
    """One field of an object that was changed on the cluster since we applied it.

    An empty path is the object itself, which was deleted. `by` and `when` (RFC 3339) are empty where the cluster does not record them.
    Secret values are masked (spec.mask).
    """

    workload: str
    object: str
    path: str = ""
    applied: Any = ABSENT
    live: Any = ABSENT
    by: str = ""
    when: str = ""


@dataclass(frozen=True)
class Plan:
    """What an apply would do. With findings it must not be carried out."""

    changes: tuple[Change, ...] = ()
    findings: tuple[Finding, ...] = ()
    remarks: tuple[str, ...] = ()
    interruptions: tuple[Interruption, ...] = ()
    admitted: tuple[AdmittedImage, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know before it is carried out."""
        return (*self.remarks, *map(str, self.interruptions))

    @property
    def empty(self) -> bool:
        return all(change.op is Op.KEEP for change in self.changes)


def names(objects: Sequence[Object]) -> list[str]:
    """Of each object `Kind/name`, or `Kind.group/name` where another one has the same kind and name in another API group."""
    plain = [describe(item) for item in objects]
    return [_with_group(item) if plain.count(name) > 1 else name for item, name in zip(objects, plain, strict=True)]


def _with_group(item: Object) -> str:
    kind, _, name = describe(item).partition("/")
    group = str(item.get("apiVersion") or "").rpartition("/")[0]
    return f"{kind}.{group}/{name}" if group else f"{kind}/{name}"


def describe(value: Object) -> str:
    """`Kind/name` of an object; `Kind/namespace/name` of one of ours that lies in another namespace than the box's."""
    metadata: dict[str, Any] = value.get("metadata") or {}
    elsewhere = HOME in (metadata.get("labels") or {}) and metadata.get("namespace")
    return "/".join([value.get("kind", "?"), *([metadata["namespace"]] if elsewhere else ()), metadata.get("name", "?")])
