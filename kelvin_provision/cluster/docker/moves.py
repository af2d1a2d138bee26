"""The steps that change something on the engine, each safe to be cut off anywhere and to be taken again."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress

from kelvin_provision.cluster.docker.creating import config
from kelvin_provision.cluster.docker.engine import Engine
from kelvin_provision.cluster.docker.files import archive
from kelvin_provision.cluster.docker.live import COMMITTED, INACTIVE, STANDBY, Live, candidate_name, clashes, double_name
from kelvin_provision.errors import ClusterRefused
from kelvin_provision.spec.workload import Object


class Moves:
    """`grace`: seconds between SIGTERM and SIGKILL."""

    def __init__(self, engine: Engine, *, grace: int) -> None:
        self._engine = engine
        self._grace = grace

    def live(self, workload: str) -> list[Live]:
        """All containers of a workload, oldest revision first."""
        return sorted((Live.of(found) for found in self._engine.containers(workload)), key=lambda one: one.revision)

    def need_image(self, container: Object, *, refresh: bool) -> None:
        """Pull what a standard revision needs; a staged one never touches the network."""
        image, pull = container["spec"]["image"], container["spec"]["pull"]
        if pull == "never" or (self._engine.has_image(image) and not (pull == "always" and refresh)):
            return
        self._engine.pull(image)

    def make_room(self, live: Iterable[Live], container: Object) -> None:
        """Stop what cannot run beside the new container, so that it comes back by itself should the power go now."""
        for old in live:
            if old.running and clashes(old, container):
                self._engine.policy(old.id, STANDBY)
                self._engine.stop(old.id, self._grace)

    def create(self, live: Iterable[Live], filled: Object) -> str:
        """Not started, but with its files; `filled` has its secrets. What has its name already is of an attempt that was cut off."""
        name = candidate_name(filled)
        self._free({name, double_name(filled["metadata"]["name"])}, live)
        info = self._engine.info()
        new = self._engine.create(name, config(filled, cpus=info["NCPU"], log_driver=info["LoggingDriver"]))
        if filled["spec"]["files"]:
            self._engine.put_files(new, archive(filled["spec"]["files"]))
        return new

    def start(self, container: str) -> None:
        """A version that cannot be started is one that does not come up: `wait` finds the reason in its state."""
        try:
            self._engine.start(container)
        except ClusterRefused:
            if not self._engine.inspect(container)["State"]["Error"]:
                raise

    def give_name(self, live: Sequence[Live], new: Live) -> None:
        """Make `new` the one that answers for the workload. Who asks by its name always finds one of the two, or both."""
        if new.serving:
            return
        if any(old.serving and old.running for old in live):
            self._double(new)
        for old in live:
            if old.serving:
                self._free({old.resting_name}, (one for one in live if one.id not in {old.id, new.id}))
                self._step_back(old)
        self._engine.rename(new.id, new.workload)

    def _double(self, new: Live) -> None:
        """Let `new` answer beside the old one. Where that cannot be, nobody answers for some milliseconds."""
        name = double_name(new.workload)
        if new.name != name:
            with suppress(ClusterRefused):
                self._engine.rename(new.id, name)

    def _step_back(self, old: Live) -> None:
        """An engine cannot rename a container that waits for its next restart: it looks for the network of one that runs.

        So that one is stopped first; after a power cut it is as it was.
        """
        try:
            self._engine.rename(old.id, old.resting_name)
        except ClusterRefused:
            found = self._engine.inspect(old.id)
            if not found["State"].get("Restarting") and not found.get("RestartCount"):
                raise
            self._engine.policy(old.id, STANDBY)
            self._engine.stop(old.id, self._grace)
            self._engine.rename(old.id, old.resting_name)

    def run_for_good(self, new: Live, others: Sequence[Live]) -> None:
        """Old ones lose their restart policy before the new one gets it: a power cut in between brings back too few, never two."""
        self._rest(others)
        if new.policy != COMMITTED:
            self._engine.policy(new.id, COMMITTED)
        for old in others:
            if old.running:
                self._engine.stop(old.id, self._grace)
        if not new.running:
            self.start(new.id)

    def halt(self, live: Iterable[Live]) -> None:
        """Stop them all. The one that answers keeps `unless-stopped`, by which the engine itself leaves it down after a power cut."""
        for one in live:
            if one.serving and one.policy != COMMITTED:
                self._engine.policy(one.id, COMMITTED)
            elif not one.serving:
                self._rest([one])
            if one.running:
                self._engine.stop(one.id, self._grace)

    def step_aside(self, others: Sequence[Live], container: Object) -> None:
        """Stop, for good, what cannot run beside `container`."""
        in_the_way = [one for one in others if one.running and clashes(one, container)]
        self._rest(in_the_way)
        for one in in_the_way:
            self._engine.stop(one.id, self._grace)

    def keep_one(self, others: Sequence[Live], *, below: int | None = None) -> None:
        """Remove all but the newest that has ever run; with `below`, it must be of an earlier revision than that."""
        fit = [one for one in others if one.started.year > 1 and (below is None or one.revision < below)]
        kept = max(fit, key=lambda one: one.revision, default=None)
        for one in others:
            if one is not kept:
                self._engine.remove(one.id)

    def _rest(self, some: Iterable[Live]) -> None:
        for one in some:
            if one.policy != INACTIVE:
                self._engine.policy(one.id, INACTIVE)

    def _free(self, names: Collection[str], live: Iterable[Live]) -> None:
        for one in live:
            if one.name in names:
                self._engine.remove(one.id)
