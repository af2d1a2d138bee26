"""What runs workloads, behind one protocol: `kubernetes` and `docker`. One contract suite runs on the fake and on both.

A transaction is made of these verbs: plan (reads), put (adds, removes nothing), wait, then finish (removes what is old)
or revert (goes back). Every verb may be repeated after a crash and ends in the same place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

from kelvin_provision.events import Progress
from kelvin_provision.refs import Platform
from kelvin_provision.spec.fields import ABSENT
from kelvin_provision.spec.lock import ImageLock
from kelvin_provision.spec.workload import Object, Spec
from kelvin_provision.status import Observation

if TYPE_CHECKING:
    from kelvin_provision.cluster.survey import ClusterState, Survey

OWNER = "kelvin-provision/workload"
REVISION = "kelvin-provision/revision"
SPEC_HASH = "kelvin-provision/spec-hash"
STOPPED = "kelvin-provision/stopped"
"""Note on an object that was scaled down or taken away by `stop`: how many replicas it had, or what is gone."""
HOLD = "kelvin-provision/hold"
"""Annotation on an object of a workload: it is not to be changed now, and why."""
HOLD_FOLDER = "/opt/kelvin/hold"
HOLD_FILE = "reason"
"""The same, said by the workload with a file in its own file system."""
MANAGER = "kelvin-provision"

Lookup = Callable[[str], str]
"""`secrets.NAME` or `registries.HOST` to the value; raises SecretMissing. See spec.secrets."""


class Op(StrEnum):
    """What happens to one object."""

    CREATE = "create"
    UPDATE = "update"
    KEEP = "keep"
    DELETE = "delete"


@dataclass(frozen=True)
class Change:
    """One object of one workload, and why it changes. `object` is `Kind/name` (`container/name` on Docker)."""

    op: Op
    workload: str
    object: str
    why: str


@dataclass(frozen=True)
class Finding:
    """Why a plan cannot work. `code` is stable: immutable-field, not-ours, field-conflict, invalid-object, unknown-kind,
    denied, namespace-terminating, port-taken, image-missing.
    """

    code: str
    workload: str
    object: str
    message: str


@dataclass(frozen=True)
class Interruption:
    """Why clients of a workload may be without an answer for a moment. `certain` says that they will be."""

    workload: str
    why: str
    certain: bool = True

    def __str__(self) -> str:
        return f"{self.workload}: short interruption{'' if self.certain else ' possible'}: {self.why}"


@dataclass(frozen=True)
class Drift:
    """One field of an object that is not on the cluster as it was applied, changed by somebody else.

    An empty path is the object itself, which is gone. `by` and `when` (RFC 3339) are empty where the cluster does not know.
    Secret values are under a veil (spec.veil).
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

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know before it is carried out."""
        return (*self.remarks, *(str(one) for one in self.interruptions))

    @property
    def empty(self) -> bool:
        """Whether every object is as it should be already."""
        return all(change.op is Op.KEEP for change in self.changes)


class Phase(StrEnum):
    """Three answers to `is it ready?`."""

    WAITING = "waiting"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True)
class Health:
    """One workload's readiness and the reason, in the cluster's words."""

    phase: Phase
    why: str = ""


@dataclass(frozen=True)
class ClusterInfo:
    """What answers: `kubernetes` or `docker`, its version, our node's name and platform."""

    type: str
    version: str
    node: str
    platform: Platform


@dataclass(frozen=True)
class WaitPolicy:
    """How long `wait` waits, in seconds; `settle` is how long a workload must stay up without a restart."""

    timeout: float = 300.0
    settle: float = 5.0
    unschedulable: float = 15.0
    restarts: int = 2


@dataclass(frozen=True)
class LogLine:
    """One line that a workload wrote. `time` is RFC 3339 in UTC with nanoseconds; `source` is the pod (on Docker the container)."""

    source: str
    container: str
    time: str
    text: str


class Cluster(Protocol):
    """Every verb may raise ClusterUnreachable and ClusterDenied."""

    type: str

    def info(self) -> ClusterInfo:
        """Ask it."""
        ...

    def state(self) -> ClusterState:
        """What it says of itself and of our node and namespace. Reads only."""
        ...

    def survey(self, wanted: Mapping[str, Sequence[Object]]) -> Survey:
        """What a plan does not look at: rights, room, pull policies, ports of others. Reads only."""
        ...

    def render(self, spec: Spec, locks: Sequence[ImageLock], revision: int) -> tuple[Object, ...]:
        """The objects of one revision: pure, JSON-ready, labelled. Secrets stay references (`<% secrets.X %>`).

        With locks (staged methods) images are `pinned_reference` (on Docker the config digest) and offline-safe;
        without, the cluster pulls. Raises RequestRefused for what this cluster cannot do, each thing by name.
        """
        ...

    def plan(self, wanted: Mapping[str, Sequence[Object]], lookup: Lookup) -> Plan:
        """Desired against live for every workload; a dry run of everything. Touches nothing; all findings at once."""
        ...

    def drift(self, applied: Mapping[str, Sequence[Object]]) -> tuple[Drift, ...]:
        """What somebody else has changed since these objects were applied. Reads only; defaults of the cluster are no drift."""
        ...

    def retry_stuck_pods(self, workload: str) -> None:
        """Have what waits for an image try again at once; by itself it makes longer and longer pauses. What runs is left alone."""
        ...

    def put(self, workload: str, objects: Sequence[Object], lookup: Lookup) -> None:
        """Create or update, with what ran before still there as far as the cluster can. Removes nothing."""
        ...

    def wait(
        self, wanted: Mapping[str, Sequence[Object]], patience: WaitPolicy, progress: Progress, stop: Callable[[], bool]
    ) -> Mapping[str, Health]:
        """Until all are READY and settled, or one is FAILED for good, or time is up (WAITING, with what for).

        `stop` is asked at least once a second; when true, returns what is known. On Docker this is also where the
        verified container begins to answer in place of the old one.
        """
        ...

    def finish(self, workload: str, objects: Sequence[Object]) -> None:
        """Make it final: remove what the workload has on the cluster beyond `objects` (Docker: keep one old container, stopped)."""
        ...

    def revert(self, workload: str, objects: Sequence[Object], lookup: Lookup) -> None:
        """Go back to `objects` of the earlier revision, and remove what it did not have. None at all: remove the workload."""
        ...

    def stop(self, workload: str) -> None:
        """End its containers and keep everything else, data first of all; it stays so until the next `put`. Absent is fine."""
        ...

    def evidence(self, workload: str) -> tuple[str, ...]:
        """Why it does not come up, in short lines: pod events, container states and exit codes, the last 20 log lines. Never raises."""
        ...

    def observe(self) -> Mapping[str, Observation]:
        """Every workload of ours, by name."""
        ...

    def logs(
        self,
        workload: str,
        *,
        tail: int | None = None,
        since: str | None = None,
        previous: bool = False,
        follow: bool,
        stop: Callable[[], bool],
    ) -> Iterator[LogLine]:
        """What its containers write, one container after the other, or with `follow` as it comes; nothing for one that is not there.

        `tail` counts for each container; `since` is RFC 3339; `previous` is what ran before the last restart. `follow` takes in
        new containers and ends when there is none left that could write, or when `stop`, asked at least once a second, says so.
        Never holds more than some lines; a line longer than 64 KiB comes in parts.
        """
        ...

    def remove(self, workload: str) -> tuple[str, ...]:
        """Take all of it away, persistent volumes too. Returns `Kind/name` of what went; absent is fine."""
        ...

    def changes(self, stop: Callable[[], bool]) -> Iterator[bool]:
        """True when something of ours may have changed, and first of all as soon as it listens; False at least every half second.

        It ends when `stop` says so. A cluster that goes away is True, and so is its return: it listens again by itself, as it does when
        the cluster ends a watch. Raises ClusterDenied when listening is forbidden.
        """
        ...


def describe(value: Object) -> str:
    """`Kind/name` of an object."""
    metadata: dict[str, Any] = value.get("metadata") or {}
    return f"{value.get('kind', '?')}/{metadata.get('name', '?')}"
