"""What runs workloads, behind one protocol. One contract suite runs on the fake, on Docker Engine and on Kubernetes.

A transaction is made of these verbs: plan (reads), release (ports that the set hands on), put (creates and updates, removes nothing) and
wait for each of the waves, then finish (removes what is old) or revert (restores what ran before). Every verb may be repeated after a crash
and ends in the same state.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from kelvin_provision.cluster.health import Health, WaitPolicy
    from kelvin_provision.cluster.lease import Lease
    from kelvin_provision.cluster.logs.lines import LogLine
    from kelvin_provision.cluster.nodes import ClusterNode, Place
    from kelvin_provision.cluster.plan import Drift, Plan
    from kelvin_provision.cluster.rehearsal import RehearsalTerms, Rehearsed
    from kelvin_provision.cluster.survey import ClusterInfo, ClusterState, Survey
    from kelvin_provision.events import Progress
    from kelvin_provision.observation import Observation
    from kelvin_provision.spec.lock import ImageLock
    from kelvin_provision.spec.workload import Object, Spec


Lookup = Callable[[str], str]
"""Maps `secrets.NAME` or `registries.HOST` to the value; raises SecretMissing. See spec.references."""


Scale = Mapping[str, int]
"""Numbers of replicas by the name of the object, as `plan.describe` has it."""

UNSCALED: Scale = MappingProxyType({})


class Cluster(Protocol):
    """Every verb may raise ClusterUnreachable and ClusterDenied. `desired` maps a workload to the objects it shall have."""

    type: str

    def info(self) -> ClusterInfo: ...

    def state(self) -> ClusterState:
        """The cluster itself, our node and our namespace. Reads only."""
        ...

    def node_ports(self) -> Mapping[int, str]:
        """Ports that the cluster takes at every address of its nodes, with what takes them. Empty where that cannot be read."""
        ...

    def survey(self, desired: Mapping[str, Sequence[Object]]) -> Survey:
        """What a plan does not look at: permissions, free resources, pull policies, ports of other programs. Reads only."""
        ...

    def render(self, spec: Spec, locks: Sequence[ImageLock], revision: int, members: Collection[str] = frozenset()) -> tuple[Object, ...]:
        """The objects of one revision: JSON-ready, labelled. Secrets stay references (`<% secrets.X %>`).

        With locks (staged methods) images are `pinned_reference` (on Docker the config digest) and need no registry;
        without, the cluster pulls. Pods of staged images are kept to our node; with `members`, other nodes that are brought images, to
        the nodes that `mark_nodes` has marked. Raises RequestRefused with every field that this cluster cannot have, by name.
        """
        ...

    def nodes(self) -> tuple[ClusterNode, ...]:
        """All nodes, also those that are away. Reads only. Where there are no nodes: our own box."""
        ...

    def places(self, desired: Mapping[str, Sequence[Object]]) -> tuple[Place, ...]:
        """Where the pods of these objects may run, whether or not the images are there: by selectors, affinity, taints and bound volumes.

        Marks, cordons and what a node suffers from for a time, such as being away, keep no node out. Reads only.
        """
        ...

    def mark_nodes(self, marks: Mapping[str, Collection[str]]) -> None:
        """Let nodes have exactly these marks of this box; those that are not named have none. One that is away has them when it is back."""
        ...

    def plan(self, desired: Mapping[str, Sequence[Object]], lookup: Lookup, scales: Mapping[str, Scale] = MappingProxyType({})) -> Plan:
        """Compare desired objects with live ones, with a dry run of each change. Changes nothing; returns all findings at once.

        `scales`: by workload, what `put` will be given.
        """
        ...

    def scales(self, applied: Mapping[str, Sequence[Object]]) -> Mapping[str, Scale]:
        """Numbers of replicas that were changed on the cluster since these objects were applied, by workload. Reads only.

        Of a stopped workload the numbers that it had before.
        """
        ...

    def drift(self, applied: Mapping[str, Sequence[Object]]) -> tuple[Drift, ...]:
        """What was changed on the cluster since these objects were applied. Reads only; defaults that the cluster fills in are no drift."""
        ...

    def retry_stuck_pods(self, workload: str) -> None:
        """Have pods that wait for an image try again now; their own retries are minutes apart. Running pods are left alone."""
        ...

    def waves(self, desired: Mapping[str, Sequence[Object]]) -> Sequence[Mapping[str, Sequence[Object]]]:
        """These objects in the order of putting, at least one wave: what is in a wave must be up before the next is put. Pure."""

    def release(self, desired: Mapping[str, Sequence[Object]]) -> None:
        """Before the puts of several workloads: give back ports that one of them no longer has and another one takes over.

        A workload without objects is one that goes: it may be stopped for that.
        """
        ...

    def put(self, workload: str, objects: Sequence[Object], lookup: Lookup, scale: Scale = UNSCALED) -> None:
        """Create or update the objects, while the earlier revision keeps running where the cluster allows it. Removes nothing.

        `scale`: numbers of replicas that an earlier `scales` returned, which hold instead of those of the objects.
        """
        ...

    def wait(
        self,
        desired: Mapping[str, Sequence[Object]],
        policy: WaitPolicy,
        progress: Progress,
        stop: Callable[[], bool],
        whole: Mapping[str, Sequence[Object]] = MappingProxyType({}),
    ) -> Mapping[str, Health]:
        """Return when all workloads are READY and settled, when one has FAILED, or at the timeout (WAITING, and for what).

        `stop` is called at least once a second; when it is true, the present state is returned. `whole`: the objects of all waves,
        where those of later ones are not put yet; their pods that run already are not going to leave. On Docker this verb also makes
        the verified container answer in place of the old one.
        """
        ...

    def finish(self, workload: str, objects: Sequence[Object]) -> None:
        """Remove what the workload has on the cluster beyond `objects` (Docker keeps one old container, stopped). Data stays.

        No objects: all but the data goes. On Kubernetes containers may still be ending when this returns; see `remove` and `stop`.
        """
        ...

    def revert(self, workload: str, objects: Sequence[Object], lookup: Lookup, scale: Scale = UNSCALED) -> None:
        """Restore `objects` of the earlier revision, with `scale`, and remove what it did not have. No objects: remove the workload.

        An object that the cluster refuses does not keep the others from going back; ClusterRefused at the end names it.
        """
        ...

    def stop(self, workload: str) -> None:
        """Stop its containers and keep all else, data included; it stays stopped until the next `put`. A missing workload is no error."""
        ...

    def evidence(self, workload: str) -> tuple[str, ...]:
        """Why it does not come up, in short lines: pod events, container states, exit codes, the last 20 log lines. Never raises."""
        ...

    def observe(self) -> Mapping[str, Observation]:
        """Every workload that carries our label, by name."""
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
        """What its containers write: one container after the other, or with `follow` as it comes. Empty for a missing workload.

        `tail` counts for each container; `since` is RFC 3339; `previous` is the run before the last restart. `follow` includes
        containers that start later; it ends when no container is left that could write, or when `stop`, called at least once a
        second, is true. Memory is bounded; a line longer than 64 KiB comes in parts.
        """
        ...

    def remove(self, workload: str) -> tuple[str, ...]:
        """Delete all its objects, persistent volumes included. Returns the name of each; a missing workload is no error.

        An object that is kept, because deleting it would also delete objects of others, is named as well, with that reason.
        """
        ...

    def rehearse(
        self,
        workload: str,
        objects: Sequence[Object],
        terms: RehearsalTerms,
        lookup: Lookup,
        *,
        progress: Progress,
        stop: Callable[[], bool],
    ) -> Rehearsed:
        """Start these objects beside what runs, cut off from it, hold them to their probes and the terms, and take them away again.

        Nothing of the workload is changed, and nothing of the rehearsal carries the label of a workload: the other verbs do not see it.
        `stop`, called at least once a second, ends it early. Where it cannot be kept from what is real, it is not started.
        """
        ...

    def end_rehearsals(self) -> tuple[str, ...]:
        """Take away all that rehearsals of this box have left, and name it. May be repeated."""
        ...

    def lease(self) -> Lease | None:
        """Which box may change things here. None where a cluster is one machine, so that there cannot be two. Reads only."""
        ...

    def take_lease(self, holder: str, *, term: int = 1, over: str = "") -> Lease | None:
        """Take or renew the lease, also from the holder `over`; returns it as it is afterwards, which may be another's.

        Of several that take it at once, one gets it. A new holder's term is higher than all before, and at least `term`.
        """
        ...

    def watch(self, stop: Callable[[], bool]) -> Iterator[bool]:
        """True when an object of ours may have changed, and once at the beginning; False at least every half second. Ends at `stop`.

        A lost connection is True; it connects again by itself, which is True as well. Raises ClusterDenied.
        """
        ...
