"""A box with Docker Engine and no Kubernetes, behind the cluster protocol."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from kelvin_provision import timestamps
from kelvin_provision.cluster.docker import logs, survey
from kelvin_provision.cluster.docker.containers import LiveContainer, container_object
from kelvin_provision.cluster.docker.events import EventWatcher
from kelvin_provision.cluster.docker.judge import drift as drifting
from kelvin_provision.cluster.docker.judge import planning, readiness
from kelvin_provision.cluster.docker.judge.observation import observe
from kelvin_provision.cluster.docker.rehearsal import Rehearsals
from kelvin_provision.cluster.docker.render import files
from kelvin_provision.cluster.docker.render.revision import BoxInfo, render
from kelvin_provision.cluster.docker.replacement import Replacement
from kelvin_provision.cluster.docker.rollout import Rollout
from kelvin_provision.cluster.docker.waiting import Waiter
from kelvin_provision.cluster.health import Health, WaitPolicy
from kelvin_provision.cluster.labels import OWNER
from kelvin_provision.cluster.logs.lines import LogLine
from kelvin_provision.cluster.logs.sources import LogOptions
from kelvin_provision.cluster.nodes import ClusterNode, Place
from kelvin_provision.cluster.plan import Drift, Plan, describe
from kelvin_provision.cluster.protocol import UNSCALED, Lookup, Scale
from kelvin_provision.cluster.rehearsal import RehearsalTerms, Rehearsed
from kelvin_provision.cluster.survey import ClusterInfo, ClusterState, Survey
from kelvin_provision.docker_engine.connection import CLUSTER_ERRORS, connect
from kelvin_provision.docker_engine.engine import Engine
from kelvin_provision.errors import ClusterRefused, ProvisionError
from kelvin_provision.events import Progress
from kelvin_provision.files.procfs import available_memory, listening_ports
from kelvin_provision.observation import Hold, Observation
from kelvin_provision.spec.identity import Identity
from kelvin_provision.spec.lock import ImageLock
from kelvin_provision.spec.references import fill
from kelvin_provision.spec.workload import Object, Spec

EVIDENCE_LOG_LINES = 20
REMOTE_SCHEMES = ("tcp://", "http://", "https://", "ssh://")
REQUEST_TIMEOUT = 60


class DockerCluster:
    """`base_url` as in DOCKER_HOST; `client` makes the SDK's client instead. `grace`: seconds from SIGTERM to SIGKILL."""

    type = "docker"

    def __init__(
        self,
        base_url: str | None = None,
        *,
        cluster_name: str = "",
        client: Callable[[], Any] | None = None,
        grace: int = 10,
        tick: float = 0.3,
    ) -> None:
        self._engine = Engine(client or (lambda: connect(base_url, timeout=REQUEST_TIMEOUT)), CLUSTER_ERRORS)
        self._rollout = Rollout(self._engine, grace=grace)
        self._replacement = Replacement(self._engine, self._rollout)
        self._is_local = not (base_url or os.environ.get("DOCKER_HOST", "")).startswith(REMOTE_SCHEMES)
        self._cluster_name = cluster_name
        self._tick = tick

    def info(self) -> ClusterInfo:
        return ClusterInfo(self.type, self._engine.version(), self._engine.info()["Name"], self._engine.platform())

    def state(self) -> ClusterState:
        """The engine's ID is the identity; its warnings are the conditions."""
        info = self._engine.info()
        return ClusterState(self.info(), self._engine.address, str(info.get("ID") or ""), tuple(survey.conditions(info)))

    def node_ports(self) -> Mapping[int, str]:
        """Engines have none: a published port is refused where another program listens."""
        return {}

    def survey(self, desired: Mapping[str, Sequence[Object]]) -> Survey:
        """Free memory is that of this box, so it is known only when the engine runs here."""
        self._engine.version()
        return survey.survey(desired, available_memory() if self._is_local else None)

    def nodes(self) -> tuple[ClusterNode, ...]:
        """An engine is a single node."""
        info = self.info()
        return (ClusterNode(info.node, info.platform, {}),)

    def places(self, desired: Mapping[str, Sequence[Object]]) -> tuple[Place, ...]:
        """All of them here."""
        name = self.info().node
        return tuple(
            Place(workload, describe(item), (str(item["spec"]["image"]),), (name,))
            for workload, objects in desired.items()
            for item in objects
            if item.get("spec", {}).get("image")
        )

    def mark_nodes(self, marks: Mapping[str, Collection[str]]) -> None:
        """No container is kept to a node."""

    def render(
        self,
        spec: Spec,
        locks: Sequence[ImageLock],
        revision: int,
        members: Collection[str] = frozenset(),  # noqa: ARG002  (an engine is a single node)
    ) -> tuple[Object, ...]:
        """One container and its volumes. The engine is asked for its name and its image store only when it matters."""
        node = self._engine.info()["Name"] if spec.node_name else ""
        identity = self._engine.identity() if locks else Identity.CONFIG
        return render(spec, locks, revision, BoxInfo(self._cluster_name, node, identity))

    def plan(
        self,
        desired: Mapping[str, Sequence[Object]],
        lookup: Lookup,
        scales: Mapping[str, Scale] = MappingProxyType({}),  # noqa: ARG002  (a workload is one container)
    ) -> Plan:
        """Looks every secret up, so that a missing one is found while the old version is untouched."""
        fill([list(objects) for objects in desired.values()], lookup)
        desired = {workload: self._rollout.planned(workload, objects) for workload, objects in desired.items()}
        containers = self._engine.containers.list_all()
        owners = {container.id: container.workload for container in self._rollout.all_containers()}
        state = planning.EngineState(
            containers={workload: self._rollout.containers(workload) for workload in desired},
            volumes=self._engine.volumes(),
            owners={name.removeprefix("/"): owners.get(container["Id"]) for container in containers for name in container["Names"]},
            published={
                (port["PublicPort"], port["Type"]): (container["Names"][0].removeprefix("/"), owners.get(container["Id"]))
                for container in containers
                for port in container["Ports"]
                if "PublicPort" in port
            },
            listening=listening_ports() if self._is_local else frozenset(),
            images=self._engine.images.ids(),
        )
        return planning.plan(desired, state)

    def drift(self, applied: Mapping[str, Sequence[Object]]) -> tuple[Drift, ...]:
        return tuple(drifting.drift(applied, {workload: self._rollout.containers(workload) for workload in applied}))

    def scales(self, applied: Mapping[str, Sequence[Object]]) -> Mapping[str, Scale]:  # noqa: ARG002  (as above)
        """A workload is one container."""
        return {}

    def retry_stuck_pods(self, workload: str) -> None:
        """A container is created from an image that is present: none waits for one."""

    def waves(self, desired: Mapping[str, Sequence[Object]]) -> Sequence[Mapping[str, Sequence[Object]]]:
        """See protocol.Cluster.waves. No container needs another one before it can be made."""
        return (desired,)

    def release(self, desired: Mapping[str, Sequence[Object]]) -> None:
        self._replacement.release(desired)

    def put(
        self,
        workload: str,
        objects: Sequence[Object],
        lookup: Lookup,
        scale: Scale = UNSCALED,  # noqa: ARG002  (a workload is one container)
    ) -> None:
        self._replacement.put(workload, objects, lookup, refresh=True)

    def wait(
        self,
        desired: Mapping[str, Sequence[Object]],
        policy: WaitPolicy,
        progress: Progress,
        stop: Callable[[], bool],
        whole: Mapping[str, Sequence[Object]] = MappingProxyType({}),  # noqa: ARG002  (a workload is one container)
    ) -> Mapping[str, Health]:
        """Each new container takes over the workload's name once it is verified, and is watched until all are."""
        return Waiter(self._engine, self._rollout, self._tick).wait(desired, policy, progress, stop)

    def finish(self, workload: str, objects: Sequence[Object]) -> None:
        self._replacement.finish(workload, objects)

    def revert(
        self,
        workload: str,
        objects: Sequence[Object],
        lookup: Lookup,
        scale: Scale = UNSCALED,  # noqa: ARG002  (a workload is one container)
    ) -> None:
        if container_object(objects) is None:
            self.remove(workload)
        else:
            self._replacement.revert(workload, objects, lookup)

    def stop(self, workload: str) -> None:
        self._rollout.stop_all(self._rollout.containers(workload))

    def evidence(self, workload: str) -> tuple[str, ...]:
        """Of the newest container: its state, then its last log lines."""
        try:
            live = self._rollout.containers(workload)
            if not live:
                return ()
            newest = max(live, key=lambda container: str(container.document["Created"]))
            return (*readiness.evidence(newest), *self._engine.containers.last_log_lines(newest.id, EVIDENCE_LOG_LINES))
        except ProvisionError as error:
            return (str(error),)

    def observe(self) -> Mapping[str, Observation]:
        """One request for each container, and one more for each serving one: its hold file."""
        now = timestamps.now()
        workloads: dict[str, list[LiveContainer]] = {}
        for container in self._rollout.all_containers():
            workloads.setdefault(container.workload, []).append(container)
        return {name: replace(observe(containers, now), hold=self._hold(containers)) for name, containers in workloads.items()}

    def _hold(self, containers: Sequence[LiveContainer]) -> Hold | None:
        """Of the serving container; a file that cannot be read is no hold."""
        for container in containers:
            if container.serving:
                with suppress(ClusterRefused):
                    archive = self._engine.containers.read_archive(container.id, files.HOLD_PATH, files.HOLD_ARCHIVE_BYTES)
                    return files.hold_from(archive)
        return None

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
        """`previous` is all that was written before the last start."""
        options = LogOptions(tail, since, previous=previous, follow=follow)
        return logs.logs(self._engine, lambda: self._rollout.containers(workload), options, stop)

    def remove(self, workload: str) -> tuple[str, ...]:
        """Containers, then volumes with their data. The network stays: other containers may use it."""
        removed = []
        for container in self._rollout.containers(workload):
            self._engine.containers.remove(container.id)
            removed.append(f"container/{container.name}")
        for name in sorted(self._engine.volumes(f"{OWNER}={workload}")):
            self._engine.remove_volume(name)
            removed.append(f"volume/{name}")
        return tuple(removed)

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
        """Its network is internal: it has no route to another machine. Free memory is known only when the engine runs here."""
        return self._rehearsals().run(workload, objects, terms, lookup, progress=progress, stop=stop)

    def end_rehearsals(self) -> tuple[str, ...]:
        return self._rehearsals().end()

    def _rehearsals(self) -> Rehearsals:
        return Rehearsals(self._engine, self._tick, lambda: available_memory() if self._is_local else None)

    def lease(self) -> None:
        """An engine is one machine, which has one state directory and one operator lock."""

    def take_lease(self, holder: str, *, term: int = 1, over: str = "") -> None:
        """As `lease`."""

    def watch(self, stop: Callable[[], bool]) -> Iterator[bool]:
        return EventWatcher(lambda: self._engine.containers.events(OWNER)).watch(stop)
