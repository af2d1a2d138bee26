"""The steps that change something on the engine. Each may be cut off at any call and repeated."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress

from kelvin_provision.cluster.docker.containers import (
    COMMITTED,
    INACTIVE,
    STANDBY,
    LiveContainer,
    candidate_name,
    conflicts,
    container_object,
    find_matching,
    superseded,
    takeover_name,
)
from kelvin_provision.cluster.docker.render import image_volumes
from kelvin_provision.cluster.docker.render.container_config import create_body
from kelvin_provision.cluster.docker.render.files import files_archive
from kelvin_provision.cluster.docker.render.revision import for_image_store
from kelvin_provision.cluster.labels import OWNER
from kelvin_provision.docker_engine.engine import Engine
from kelvin_provision.errors import ClusterRefused
from kelvin_provision.spec.workload import Object


class Rollout:
    """`grace`: seconds between SIGTERM and SIGKILL."""

    def __init__(self, engine: Engine, *, grace: int) -> None:
        self._engine = engine
        self._grace = grace
        self._image_labels: dict[str, Mapping[str, str]] = {}

    def containers(self, workload: str) -> list[LiveContainer]:
        """All containers of a workload, oldest revision first."""
        return sorted(self._ours(f"{OWNER}={workload}"), key=lambda container: container.revision)

    def all_containers(self) -> list[LiveContainer]:
        """Those of all workloads."""
        return self._ours(OWNER)

    def _ours(self, label: str) -> list[LiveContainer]:
        live = map(LiveContainer.of, self._engine.containers.inspect_all(label))
        return [container for container in live if container.is_ours(self._labels_of_image(container.document["Image"]))]

    def _labels_of_image(self, image: str) -> Mapping[str, str]:
        """An ID stands for its content, so one request for each image is enough. A missing image has none."""
        if image not in self._image_labels:
            document = self._engine.images.inspect(image)
            if document is None:
                return {}
            self._image_labels[image] = (document.get("Config") or {}).get("Labels") or {}
        return self._image_labels[image]

    def ensure_image(self, desired: Object, *, refresh: bool) -> None:
        """Pull the image of a standard revision; that of a staged one is never pulled. `refresh`: pull a movable tag again."""
        image, policy = desired["spec"]["image"], desired["spec"]["pull"]
        present = policy == "never" or self._engine.images.inspect(image) is not None
        if not present or (policy == "always" and refresh):
            self._engine.images.pull(image)

    def with_image_volumes(self, objects: Sequence[Object]) -> tuple[Object, ...]:
        """Those for the engine's image store, with the volumes of the image. One that is not in the engine has none: it is pulled first."""
        objects = for_image_store(objects, self._engine)
        container = container_object(objects)
        image = self._engine.images.inspect(container["spec"]["image"]) if container else None
        return image_volumes.with_image_volumes(objects, image)

    def planned(self, workload: str, objects: Sequence[Object]) -> Sequence[Object]:
        """The objects with the volumes of the image, unless the container that serves them was made without."""
        container, completed = container_object(objects), self.with_image_volumes(objects)
        same = find_matching(self.containers(workload), container) if container else None
        names = {value["metadata"]["name"] for value in completed if value["kind"] == "Volume"}
        if same is not None and same.serving and not names <= same.volumes:
            return for_image_store(objects, self._engine)
        return completed

    def ensure_volume(self, volume: Object) -> None:
        """Raises ClusterRefused for a volume of this name that belongs to something else."""
        name, labels = volume["metadata"]["name"], volume["metadata"]["labels"]
        if self._engine.create_volume(name, labels).get(OWNER) != labels[OWNER]:
            raise ClusterRefused(f"docker: volume {name} exists and does not belong to workload {labels[OWNER]}")

    def create(self, containers: Iterable[LiveContainer], filled: Object) -> str:
        """Create a container with its files, not started; returns its ID. `filled` has its secrets.

        A container that has one of its names already is from an attempt that was cut off, and is removed.
        """
        name = candidate_name(filled)
        self._remove_named({name, takeover_name(filled["metadata"]["name"])}, containers)
        info = self._engine.info()
        container = self._engine.containers.create(name, create_body(filled, cpus=info["NCPU"], log_driver=info["LoggingDriver"]))
        if filled["spec"]["files"]:
            self._engine.containers.put_archive(container, files_archive(filled["spec"]["files"]))
        return container

    def start(self, container: str) -> None:
        """A container that the engine cannot start has the reason in its state, where `wait` reads it: that is no error here."""
        try:
            self._engine.containers.start(container)
        except ClusterRefused:
            if not self._engine.containers.inspect(container)["State"]["Error"]:
                raise

    def make_room(self, containers: Iterable[LiveContainer], desired: Object) -> None:
        """Stop what conflicts with the new container; after a power cut it starts by itself."""
        for container in containers:
            if container.running and conflicts(container, desired):
                self._engine.containers.set_restart_policy(container.id, STANDBY)
                self._stop(container)

    def stop_for_others(self, containers: Iterable[LiveContainer]) -> None:
        """Their workloads change as well, and so does what starts after a power cut: until then that are these."""
        for container in containers:
            self._engine.containers.set_restart_policy(container.id, STANDBY)
            self._stop(container)

    def take_over_name(self, containers: Sequence[LiveContainer], new: LiveContainer) -> None:
        """Make `new` the serving container. A client that resolves the workload's name always gets one of the two."""
        if new.serving:
            return
        if any(old.serving and old.running for old in containers):
            self._serve_beside(new)
        for old in containers:
            if old.serving:
                self._remove_named({old.standby_name}, (other for other in containers if other.id not in {old.id, new.id}))
                self._release_name(old)
        self._engine.containers.rename(new.id, new.workload)

    def _serve_beside(self, new: LiveContainer) -> None:
        """Have `new` answer beside the old one. Where the engine refuses, no container answers for some milliseconds."""
        name = takeover_name(new.workload)
        if new.name != name:
            with suppress(ClusterRefused):
                self._engine.containers.rename(new.id, name)

    def _release_name(self, old: LiveContainer) -> None:
        """A container between two restarts cannot be renamed: the engine asks for its network. It is stopped first."""
        try:
            self._engine.containers.rename(old.id, old.standby_name)
        except ClusterRefused:
            current = LiveContainer.of(self._engine.containers.inspect(old.id))
            if not current.restarting and not current.restart_count:
                raise
            self._engine.containers.set_restart_policy(old.id, STANDBY)
            self._stop(old)
            self._engine.containers.rename(old.id, old.standby_name)

    def commit(self, new: LiveContainer, others: Sequence[LiveContainer]) -> None:
        """Make `new` start after a reboot, and no other: a power cut on the way leaves too few running, never two."""
        self._deactivate(others)
        if new.restart_policy != COMMITTED:
            self._engine.containers.set_restart_policy(new.id, COMMITTED)
        for container in others:
            if container.running:
                self._stop(container)
        if not new.running:
            self.start(new.id)

    def stop_all(self, containers: Iterable[LiveContainer]) -> None:
        """The serving one keeps `unless-stopped`: the engine itself leaves a stopped container of this policy stopped."""
        for container in containers:
            if container.serving and container.restart_policy != COMMITTED:
                self._engine.containers.set_restart_policy(container.id, COMMITTED)
            elif not container.serving:
                self._deactivate([container])
            if container.running:
                self._stop(container)

    def stop_conflicting(self, others: Sequence[LiveContainer], desired: Object) -> None:
        """Unlike `make_room`: they stay stopped after a power cut."""
        conflicting = [container for container in others if container.running and conflicts(container, desired)]
        self._deactivate(conflicting)
        for container in conflicting:
            self._stop(container)

    def keep_newest(self, others: Sequence[LiveContainer], *, below: int | None = None) -> None:
        """Remove all but the one that is kept for a rollback; see `containers.superseded`."""
        for container in superseded(others, below=below):
            self._engine.containers.remove(container.id)

    def _stop(self, container: LiveContainer) -> None:
        self._engine.containers.stop(container.id, self._grace)

    def _deactivate(self, containers: Iterable[LiveContainer]) -> None:
        for container in containers:
            if container.restart_policy != INACTIVE:
                self._engine.containers.set_restart_policy(container.id, INACTIVE)

    def _remove_named(self, names: Collection[str], containers: Iterable[LiveContainer]) -> None:
        for container in containers:
            if container.name in names:
                self._engine.containers.remove(container.id)
