"""Start and stop: the running revision is kept with its data, or comes back as it was."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kelvin_provision.applying import apply, start_stop
from kelvin_provision.applying.forecast import Target
from kelvin_provision.applying.transaction import ApplyPolicy
from kelvin_provision.cluster.protocol import Cluster, Lookup
from kelvin_provision.errors import NothingApplied
from kelvin_provision.events import Progress
from kelvin_provision.hints import command
from kelvin_provision.ledger import journal
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.ledger.model import Phase, Step, Workload
from kelvin_provision.runtimes.protocol import Runtime
from kelvin_provision.status import Doing, Observed
from kelvin_provision.store import Store


@dataclass(frozen=True)
class Tools:
    """What a change of the cluster works with, and in whose name."""

    ledger: Ledger
    cluster: Cluster
    runtime: Callable[[], Runtime]
    store: Store
    lookup: Lookup
    terms: ApplyPolicy
    who: str
    progress: Progress

    def examine(self, targets: Sequence[Target]) -> apply.Prepared:
        """As `ops.apply.examine`."""
        return apply.examine(
            targets, cluster=self.cluster, runtime=self.runtime, store=self.store, lookup=self.lookup, progress=self.progress
        )

    def look(self, names: Sequence[str]) -> tuple[Workload, ...]:
        """These workloads with what the cluster does with them now."""
        apply.look(self.ledger, self.cluster, names)
        return self.ledger.workloads(names)


def stop(tools: Tools, names: Sequence[str]) -> frozenset[str]:
    """Stop what runs; the names that there was something to do for. Raises WorkloadUnknown, and what the cluster says.

    What nobody ever applied, and what is stopped already, is passed over.
    """
    tools.ledger.workloads(names)
    todo = [found for found in tools.look(names) if found.running and (found.enabled or not _is(found, Observed.STOPPED))]
    if todo:
        operation = journal.begin(tools.ledger, Doing.STOP, Phase.FINISHING, [_step(found) for found in todo])
        try:
            start_stop.stop(operation, ledger=tools.ledger, cluster=tools.cluster, who=tools.who, progress=tools.progress)
        finally:
            tools.look([found.name for found in todo])
    return frozenset(found.name for found in todo)


def start(tools: Tools, names: Sequence[str], stop: Callable[[], bool]) -> frozenset[str]:
    """Bring back what was stopped and wait until it is up; the names that there was something to do for.

    Raises WorkloadUnknown, NothingApplied, PlanRefused (a port is taken meanwhile, an image is lost), and as `switch.start`.
    """
    bare = [found.name for found in tools.ledger.workloads(names) if found.running is None]
    if bare:
        raise NothingApplied(f"nothing of {', '.join(bare)} was ever applied", hint=command("workloads apply", names=(bare[0],)))
    todo = [found for found in tools.look(names) if not (found.enabled and _is(found, Observed.RUNNING))]
    if todo:
        tools.examine([Target(found, found.running, found.running.objects or ()) for found in todo if found.running])
        operation = journal.begin(tools.ledger, Doing.START, Phase.FINISHING, [_step(found) for found in todo])
        try:
            start_stop.start(
                operation,
                ledger=tools.ledger,
                cluster=tools.cluster,
                lookup=tools.lookup,
                patience=tools.terms.forward,
                who=tools.who,
                progress=tools.progress,
                stop=stop,
            )
        finally:
            tools.look([found.name for found in todo])
    return frozenset(found.name for found in todo)


def _step(found: Workload) -> Step:
    number = found.running.number if found.running else None
    return Step(found.name, number, number)


def _is(found: Workload, observed: Observed) -> bool:
    """What was seen just now; a cluster that does not answer says nothing."""
    return found.observation is not None and found.observation.reachable and found.observation.observed is observed
