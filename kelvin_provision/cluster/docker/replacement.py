"""A new container in the place of an old one, and back.

New beside old: the new container is created as `<workload>-r<revision>`, verified, then given the workload's name, which is its name in
the network's DNS.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kelvin_provision.cluster.docker.containers import NETWORK, LiveContainer, container_object, desired_ports, find_matching
from kelvin_provision.cluster.docker.judge import planning
from kelvin_provision.cluster.docker.rollout import Rollout
from kelvin_provision.cluster.labels import MANAGER
from kelvin_provision.cluster.protocol import Lookup
from kelvin_provision.docker_engine.engine import Engine
from kelvin_provision.errors import ClusterRefused
from kelvin_provision.hints import command
from kelvin_provision.spec.references import fill
from kelvin_provision.spec.workload import Object

NETWORK_LABELS = {"app.kubernetes.io/managed-by": MANAGER}


class Replacement:
    """The verbs of the cluster protocol that replace containers: release, put, finish, revert."""

    def __init__(self, engine: Engine, rollout: Rollout) -> None:
        self._engine = engine
        self._rollout = rollout

    def release(self, desired: Mapping[str, Sequence[Object]]) -> None:
        """Stop the containers whose ports another workload of the set takes over: two cannot have one."""
        new = {workload: container for workload, objects in desired.items() if (container := container_object(objects))}
        if len(desired) > 1 and any(map(desired_ports, new.values())):
            live = {workload: self._rollout.containers(workload) for workload in desired}
            self._rollout.stop_for_others(planning.handed_over(desired, live))

    def put(self, workload: str, objects: Sequence[Object], lookup: Lookup, *, refresh: bool) -> None:
        """Start the new container beside the old one, or after it where the two cannot run together."""
        desired, live = container_object(objects), self._rollout.containers(workload)
        if desired is None:
            return
        existing = find_matching(live, desired)
        if existing is not None and existing.running:
            return
        if existing is not None and existing.serving:
            self._rollout.start(existing.id)
            return
        fill(desired, lookup)  # before any change: a secret may be missing
        self._rollout.ensure_image(desired, refresh=refresh)
        objects = self._rollout.with_image_volumes(objects)
        desired = container_object(objects) or desired
        self._engine.ensure_network(NETWORK, NETWORK_LABELS)
        for value in objects:
            if value["kind"] == "Volume":
                self._rollout.ensure_volume(value)
        new = self._rollout.create(live, fill(desired, lookup))
        self._rollout.make_room((container for container in live if existing is None or container.id != existing.id), desired)
        self._rollout.start(new)

    def finish(self, workload: str, objects: Sequence[Object]) -> None:
        """From now on the new container starts after a power cut; of the old ones the newest is kept, stopped."""
        desired, live = container_object(objects), self._rollout.containers(workload)
        if desired is None:
            self._rollout.stop_all(live)
            for container in live:
                self._engine.containers.remove(container.id)
            return
        new = find_matching(live, desired)
        if new is None:
            raise ClusterRefused(
                f"docker: {workload} has no container of this revision", hint=command("workloads apply", names=(workload,))
            )
        others = [container for container in live if container.id != new.id]
        self._rollout.take_over_name(live, new)
        self._rollout.commit(new, others)
        self._rollout.keep_newest(others)

    def revert(self, workload: str, objects: Sequence[Object], lookup: Lookup) -> None:
        """The old container serves again; one that was pruned meanwhile is created again."""
        desired = container_object(objects)
        if desired is None:
            return
        live = self._rollout.containers(workload)
        if find_matching(live, desired) is None:
            self.put(workload, objects, lookup, refresh=False)
            live = self._rollout.containers(workload)
        old = find_matching(live, desired)
        if old is None:
            raise ClusterRefused(f"docker: {workload} has no container to return to")
        others = [container for container in live if container.id != old.id]
        if not old.running:
            self._rollout.stop_conflicting(others, container_object(self._rollout.with_image_volumes(objects)) or desired)
            self._rollout.start(old.id)
        self._rollout.take_over_name(live, old)
        self._rollout.commit(LiveContainer.of(self._engine.containers.inspect(old.id)), others)
        self._rollout.keep_newest(others, below=old.revision)
