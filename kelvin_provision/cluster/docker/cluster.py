"""A box with Docker Engine and no Kubernetes, behind the cluster protocol.

New beside old: the new container is created as `<workload>-r<revision>`, verified, then given the workload's name, which
is its name in the network's DNS. Which container is what is read from names, labels and restart policies, never
remembered, so that every verb may be cut off at any engine call and repeated.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from kelvin_provision import timestamps
from kelvin_provision.cluster.docker import drift as drifting
from kelvin_provision.cluster.docker import files, logs, planning, probes, readiness, survey
from kelvin_provision.cluster.docker.engine import Engine, connect
from kelvin_provision.cluster.docker.listener import Listener
from kelvin_provision.cluster.docker.live import Live, container_of, matching
from kelvin_provision.cluster.docker.moves import Moves
from kelvin_provision.cluster.docker.render import Context, render
from kelvin_provision.cluster.docker.watch import Watch
from kelvin_provision.cluster.labels import OWNER
from kelvin_provision.cluster.logs.lines import LogLine
from kelvin_provision.cluster.logs.sources import LogOptions
from kelvin_provision.cluster.plan import Drift, Plan
from kelvin_provision.cluster.protocol import Health, Lookup, Phase, WaitPolicy
from kelvin_provision.cluster.survey import ClusterInfo, ClusterState, Survey
from kelvin_provision.errors import ClusterRefused, ProvisionError
from kelvin_provision.events import Finished, Progress, Started
from kelvin_provision.files.ports import taken
from kelvin_provision.hints import command
from kelvin_provision.refs import Platform
from kelvin_provision.spec.lock import ImageLock
from kelvin_provision.spec.references import fill
from kelvin_provision.spec.workload import Object, Spec
from kelvin_provision.status import Hold, Observation

LOG_LINES = 20
REMOTE = ("tcp://", "http://", "https://", "ssh://")


class DockerBox:
    """`base_url` as in DOCKER_HOST; `client` makes the SDK's client in its place. `grace`: seconds from SIGTERM to SIGKILL."""

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
        self._engine = Engine(client or (lambda: connect(base_url)))
        self._moves = Moves(self._engine, grace=grace)
        self._local = not (base_url or os.environ.get("DOCKER_HOST", "")).startswith(REMOTE)
        self._cluster_name = cluster_name
        self._tick = tick

    def info(self) -> ClusterInfo:
        """Ask the engine; its platform, which may be another than ours when it is remote."""
        version, host = self._engine.version(), Platform.of_this_host()
        platform = Platform(version["Os"], version["Arch"])
        same = (platform.os, platform.architecture) == (host.os, host.architecture)
        return ClusterInfo("docker", version["Version"], self._engine.info()["Name"], host if same else platform)

    def state(self) -> ClusterState:
        """The engine's ID is the cluster's; what it warns of itself are its conditions."""
        about = self._engine.info()
        return ClusterState(self.info(), self._engine.address, str(about.get("ID") or ""), tuple(survey.conditions(about)))

    def survey(self, wanted: Mapping[str, Sequence[Object]]) -> Survey:
        """Memory is that of this box, when the engine is here."""
        self._engine.version()
        return survey.survey(wanted, survey.available() if self._local else None)

    def render(self, spec: Spec, locks: Sequence[ImageLock], revision: int) -> tuple[Object, ...]:
        """One container and its volumes; asks the engine for its name only when the request names a node."""
        node = self._engine.info()["Name"] if spec.node_name else ""
        return render(spec, locks, revision, Context(self._cluster_name, node))

    def plan(self, wanted: Mapping[str, Sequence[Object]], lookup: Lookup) -> Plan:
        """Reads only, and asks for every secret: one that is missing is found here, with the old version untouched."""
        fill([list(objects) for objects in wanted.values()], lookup)
        everything = self._engine.everything()
        owners = {name.removeprefix("/"): (one["Labels"] or {}).get(OWNER) for one in everything for name in one["Names"]}
        published = {
            (port["PublicPort"], port["Type"]): (one["Names"][0].removeprefix("/"), (one["Labels"] or {}).get(OWNER))
            for one in everything
            for port in one["Ports"]
            if "PublicPort" in port
        }
        seen = planning.Seen(
            live={workload: self._moves.live(workload) for workload in wanted},
            volumes=self._engine.volumes(),
            names=owners,
            published=published,
            listening=taken() if self._local else frozenset(),
            images=self._engine.image_ids(),
        )
        return planning.plan(wanted, seen)

    def drift(self, applied: Mapping[str, Sequence[Object]]) -> tuple[Drift, ...]:
        """What `docker update` and `docker rm` did."""
        return tuple(drifting.drift(applied, {workload: self._moves.live(workload) for workload in applied}))

    def retry_stuck_pods(self, workload: str) -> None:
        """See protocol.Cluster.retry_stuck_pods. A container keeps the image that it was made from: none waits for one."""

    def put(self, workload: str, objects: Sequence[Object], lookup: Lookup) -> None:
        """Start the new container beside the old, or after it where the two cannot run together."""
        self._put(workload, objects, lookup, refresh=True)

    def _put(self, workload: str, objects: Sequence[Object], lookup: Lookup, *, refresh: bool) -> None:
        container, live = container_of(objects), self._moves.live(workload)
        if container is None:
            return
        here = matching(live, container)
        if here is not None and here.running:
            return
        if here is not None and here.serving:
            self._moves.start(here.id)
            return
        filled = fill(container, lookup)  # before anything is touched: a secret may be missing
        self._moves.need_image(container, refresh=refresh)
        self._engine.need_network()
        for value in objects:
            if value["kind"] == "Volume":
                self._engine.need_volume(value["metadata"]["name"], value["metadata"]["labels"])
        new = self._moves.create(live, filled)
        self._moves.make_room((one for one in live if here is None or one.id != here.id), container)
        self._moves.start(new)

    def wait(
        self, wanted: Mapping[str, Sequence[Object]], patience: WaitPolicy, progress: Progress, stop: Callable[[], bool]
    ) -> Mapping[str, Health]:
        """Each workload's new container takes over the name as soon as it is verified, and is watched until all are."""
        watches = {name: Watch(container) for name, objects in wanted.items() if (container := container_of(objects))}
        health: dict[str, Health] = {}
        for name in watches:
            progress(Started(name, "verifying"))
        deadline = time.monotonic() + patience.timeout
        while True:
            for name, watch in watches.items():
                before, health[name] = health.get(name), self._look(name, watch, patience)
                if health[name].phase is Phase.READY and (before is None or before.phase is not Phase.READY):
                    progress(Finished(name, "running"))
            if any(one.phase is Phase.FAILED for one in health.values()) or all(one.phase is Phase.READY for one in health.values()):
                break
            if stop() or time.monotonic() >= deadline:
                break
            time.sleep(self._tick)
        for name, one in health.items():
            if one.phase is Phase.FAILED:
                progress(Finished(name, "failed", one.why))
        return health

    def _look(self, workload: str, watch: Watch, patience: WaitPolicy) -> Health:
        live = self._moves.live(workload)
        new = matching(live, watch.container)
        if new is None:
            return Health(Phase.FAILED, "its container is gone")
        health = watch.look(new, self._ask, patience)
        if health.phase is Phase.READY:
            self._moves.give_name(live, new)
        return health

    def _ask(self, probe: dict[str, Any], live: Live) -> probes.Answer:
        def run(command: list[str], timeout: float) -> int | None:
            return probes.poll(self._engine.run(live.id, command), timeout)

        try:
            return probes.ask(probe, live.address, run)
        except ClusterRefused as error:  # it ended between the look and the question, or has no such command
            return probes.Answer(well=False, why=str(error))

    def finish(self, workload: str, objects: Sequence[Object]) -> None:
        """The new one comes back after a power cut from now on; of the old ones, the last stays, stopped."""
        container, live = container_of(objects), self._moves.live(workload)
        if container is None:
            self.remove(workload)
            return
        new = matching(live, container)
        if new is None:
            raise ClusterRefused(
                f"docker: {workload} has no container of this revision", hint=command("workloads apply", names=(workload,))
            )
        others = [one for one in live if one.id != new.id]
        self._moves.give_name(live, new)
        self._moves.run_for_good(new, others)
        self._moves.keep_one(others)

    def revert(self, workload: str, objects: Sequence[Object], lookup: Lookup) -> None:
        """The old container answers again, first of all; one that was pruned meanwhile is made anew."""
        container = container_of(objects)
        if container is None:
            self.remove(workload)
            return
        live = self._moves.live(workload)
        if matching(live, container) is None:
            self._put(workload, objects, lookup, refresh=False)
            live = self._moves.live(workload)
        old = matching(live, container)
        if old is None:
            raise ClusterRefused(f"docker: {workload} has no container to go back to")
        others = [one for one in live if one.id != old.id]
        if not old.running:
            self._moves.step_aside(others, container)
            self._moves.start(old.id)
        self._moves.give_name(live, old)
        self._moves.run_for_good(Live.of(self._engine.inspect(old.id)), others)
        self._moves.keep_one(others, below=old.revision)

    def stop(self, workload: str) -> None:
        """A container that the engine would bring back, and yet is down, was stopped: nothing else has to be remembered."""
        self._moves.halt(self._moves.live(workload))

    def evidence(self, workload: str) -> tuple[str, ...]:
        """Of the newest container: how it ended, then its last lines."""
        try:
            live = self._moves.live(workload)
            if not live:
                return ()
            newest = max(live, key=lambda one: str(one.inspect["Created"]))
            return (*readiness.evidence(newest), *self._engine.logs(newest.id, LOG_LINES))
        except ProvisionError as error:
            return (str(error),)

    def observe(self) -> Mapping[str, Observation]:
        """By label. Of the containers themselves only whether they hold themselves is asked, with one small question each."""
        now = timestamps.now()
        seen = timestamps.rfc3339(now)
        return {
            workload: replace(readiness.observe(live, now=now, seen=seen), hold=self._hold(live))
            for workload, live in _by_workload(Live.of(found) for found in self._engine.containers()).items()
        }

    def _hold(self, live: Sequence[Live]) -> Hold | None:
        """Of the container that answers; whatever keeps it from being asked is no hold."""
        for one in live:
            if one.serving:
                with suppress(ClusterRefused):
                    return files.hold_of(self._engine.archive(one.id, files.HOLD_PATH, files.HEAD))
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
        """See protocol.Cluster.logs; `previous` is all that it wrote before its last start."""
        options = LogOptions(tail, since, previous=previous, follow=follow)
        return logs.logs(self._engine, lambda: self._moves.live(workload), options, stop)

    def remove(self, workload: str) -> tuple[str, ...]:
        """Containers, then volumes with their data; the network stays, others may be on it."""
        gone = []
        for one in self._moves.live(workload):
            self._engine.remove(one.id)
            gone.append(f"container/{one.name}")
        for name in sorted(self._engine.volumes(workload)):
            self._engine.remove_volume(name)
            gone.append(f"volume/{name}")
        return tuple(gone)

    def watch(self, stop: Callable[[], bool]) -> Iterator[bool]:
        """From the engine's events, as long as somebody asks for the next one."""
        return Listener(self._engine.events).news(stop)


def _by_workload(live: Iterable[Live]) -> dict[str, list[Live]]:
    found: dict[str, list[Live]] = {}
    for one in live:
        found.setdefault(one.workload, []).append(one)
    return found
