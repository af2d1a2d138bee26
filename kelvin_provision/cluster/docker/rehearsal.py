"""A staged version beside the running one, cut off from it, on Docker Engine: started, held to its probes, taken away."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from kelvin_provision.cluster.docker import probes
from kelvin_provision.cluster.docker.containers import LiveContainer, container_object
from kelvin_provision.cluster.docker.judge import readiness
from kelvin_provision.cluster.docker.judge.verification import Verification
from kelvin_provision.cluster.docker.render import rehearsal as render
from kelvin_provision.cluster.docker.render.files import files_archive
from kelvin_provision.cluster.docker.render.revision import for_image_store
from kelvin_provision.cluster.docker.survey import survey
from kelvin_provision.cluster.health import Health, Phase
from kelvin_provision.cluster.labels import REHEARSAL
from kelvin_provision.cluster.protocol import Lookup
from kelvin_provision.cluster.rehearsal import RehearsalTerms, Rehearsed, ended, failed, not_possible, shortage
from kelvin_provision.docker_engine.engine import Engine
from kelvin_provision.errors import ClusterRefused, ProvisionError
from kelvin_provision.events import Finished, Progress, Started
from kelvin_provision.spec.references import fill
from kelvin_provision.spec.workload import Object
from kelvin_provision.status import RehearsalOutcome

LOG_LINES = 20


class Rehearsals:
    """`tick`: seconds between two looks; `memory`: bytes that are free on the engine's box, None where that is not known."""

    def __init__(self, engine: Engine, tick: float, memory: Callable[[], int | None]) -> None:
        self._engine = engine
        self._tick = tick
        self._memory = memory

    def run(
        self,
        workload: str,
        objects: Sequence[Object],
        terms: RehearsalTerms,
        lookup: Lookup,
        *,
        progress: Progress,
        stop: Callable[[], bool],
    ) -> Rehearsed:
        """See protocol.Cluster.rehearse."""
        container = container_object(for_image_store(objects, self._engine))
        if container is None:
            return Rehearsed(RehearsalOutcome.NOT_POSSIBLE, "it has no container")
        if nothing := not_possible([*render.obstacles(container, real_volumes=terms.real_volumes), *self._shortages(workload, container)]):
            return nothing
        filled = fill(container, lookup)
        existing = frozenset(self._engine.volumes())
        self.end()
        progress(Started(workload, "rehearsing"))
        try:
            self._network(closed=not terms.allow_network)
            result = self._hold(filled, self._start(filled, terms, existing), terms, stop, existing)
        except ClusterRefused as error:
            result = self._refused(error, terms)
        finally:
            self.end()
        progress(Finished(workload, f"rehearsal {result.outcome}", result.reason))
        return result

    def end(self) -> tuple[str, ...]:
        """Remove what rehearsals have made, volumes included. May be repeated."""
        gone = []
        for document in self._engine.containers.inspect_all(REHEARSAL):
            if document["Name"] == f"/{render.container_name(document['Config']['Labels'][REHEARSAL])}":  # not a copy of its image
                self._engine.containers.remove(document["Id"])
                gone.append(f"container{document['Name']}")
        if self._engine.networks().get(render.NETWORK, {}).get(REHEARSAL):
            self._engine.remove_network(render.NETWORK)
            gone.append(f"network/{render.NETWORK}")
        return tuple(gone)

    def _shortages(self, workload: str, container: Object) -> list[str]:
        demands = survey({workload: (container,)}, self._memory()).resources
        return [text for demand in demands if (text := shortage(*demand))]

    def _network(self, *, closed: bool) -> None:
        if render.NETWORK in self._engine.networks():
            raise ClusterRefused(f"docker: the network {render.NETWORK} exists and was not made by a rehearsal")
        make = self._engine.create_closed_network if closed else self._engine.ensure_network
        make(render.NETWORK, render.NETWORK_LABELS)

    def _start(self, filled: Object, terms: RehearsalTerms, existing: frozenset[str]) -> str:
        info = self._engine.info()
        body = render.rehearsal_body(filled, terms, existing, cpus=info["NCPU"], log_driver=info["LoggingDriver"])
        container = self._engine.containers.create(render.container_name(filled["metadata"]["name"]), body)
        if filled["spec"]["files"]:
            self._engine.containers.put_archive(container, files_archive(filled["spec"]["files"]))
        with suppress(ClusterRefused):  # the reason is in its state, where the judgement reads it
            self._engine.containers.start(container)
        return container

    def _hold(self, filled: Object, container: str, terms: RehearsalTerms, stop: Callable[[], bool], existing: frozenset[str]) -> Rehearsed:
        verification, deadline = Verification(filled), time.monotonic() + terms.policy.timeout
        while True:
            live = LiveContainer.of(self._engine.containers.inspect(container))
            health = verification.check(live, self._run_probe, terms.policy)
            if health.phase is Phase.READY:
                return Rehearsed(RehearsalOutcome.OK)
            if health.phase is Phase.FAILED or time.monotonic() >= deadline:
                evidence = (*readiness.evidence(live), *self._log(container))
                return failed(_why(health), evidence, render.emptied(filled, existing, terms))
            if stop():
                return ended()
            time.sleep(self._tick)

    def _log(self, container: str) -> list[str]:
        try:
            return self._engine.containers.last_log_lines(container, LOG_LINES)
        except ProvisionError as error:
            return [str(error)]

    def _refused(self, error: ClusterRefused, terms: RehearsalTerms) -> Rehearsed:
        """A file of the request cannot be written into a volume that is read-only, for one."""
        outcome = RehearsalOutcome.NOT_POSSIBLE if terms.real_volumes or render.NETWORK in str(error) else RehearsalOutcome.FAILED
        return Rehearsed(outcome, str(error), error.evidence)

    def _run_probe(self, probe: dict[str, Any], container: LiveContainer) -> probes.ProbeResult:
        networks = container.document["NetworkSettings"]["Networks"] or {}
        address = str((networks.get(render.NETWORK) or {}).get("IPAddress") or "")

        def execute(command: list[str], timeout: float) -> int | None:
            return probes.poll_exit_code(self._engine.containers.exec_detached(container.id, command), timeout)

        try:
            return probes.run_probe(probe, address, execute)
        except ClusterRefused as error:  # it exited meanwhile, or has no such command
            return probes.ProbeResult(success=False, why=str(error))


def _why(health: Health) -> str:
    return health.why if health.phase is Phase.FAILED else f"not up in time: {health.why}"
