"""Kubernetes as a Cluster: the verbs of the protocol, each a few calls to the modules beside this one.

Objects are applied by the server under our name, forced only where our label is; nothing without it is changed or deleted.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from kelvin_provision import timestamps
from kelvin_provision.cluster.kubernetes import identity, inventory, planning, removal, server_side_apply, stopping, survey
from kelvin_provision.cluster.kubernetes.api.errors import WARNINGS, Rejected
from kelvin_provision.cluster.kubernetes.api.verbs import Api
from kelvin_provision.cluster.kubernetes.judge import diff, holds, observation
from kelvin_provision.cluster.kubernetes.judge import drift as drifting
from kelvin_provision.cluster.kubernetes.judge.failures import is_ready
from kelvin_provision.cluster.kubernetes.judge.readiness import health
from kelvin_provision.cluster.kubernetes.render import revision as render
from kelvin_provision.cluster.kubernetes.render.objects import Context, Key, rank
from kelvin_provision.cluster.kubernetes.render.secrets import filled
from kelvin_provision.cluster.kubernetes.stuck_pods import replace_stuck_pods, retry_stuck_pods
from kelvin_provision.cluster.labels import HOLD_FILE, OWNER
from kelvin_provision.cluster.logs.lines import LogLine
from kelvin_provision.cluster.plan import Drift, Plan, describe
from kelvin_provision.cluster.protocol import Health, Lookup, Phase, WaitPolicy
from kelvin_provision.cluster.survey import ClusterInfo, ClusterState, Survey
from kelvin_provision.errors import ClusterRefused
from kelvin_provision.events import Progress
from kelvin_provision.files.notes import read_note
from kelvin_provision.files.ports import taken
from kelvin_provision.spec.lock import ImageLock
from kelvin_provision.spec.workload import Object, Spec
from kelvin_provision.status import Hold, Observation

if TYPE_CHECKING:
    from collections.abc import Iterator

GOING = 60.0
"""Seconds that `remove` waits for the last pod; a pod has 30 to end by itself."""

DEFINING = 30.0
"""Seconds that a new kind may take until the server serves it."""


class Kubernetes:
    """k3s or any other. `settle` in seconds; `pull_hosts` are registries with a login.

    `node` is this computer's name in the cluster; without it the one of our host name, or the only one there is.
    """

    type = "kubernetes"

    def __init__(
        self,
        *,
        kubeconfig: Path | None = None,
        context: str | None = None,
        namespace: str = "app",
        name: str = "",
        settle: float = 5.0,
        pull_hosts: Collection[str] = (),
        node: str | None = None,
    ) -> None:
        self._api = Api(kubeconfig=kubeconfig, context=context)
        self._namespace = namespace
        self._name = name
        self._settle = math.ceil(settle)
        self._pull_hosts = frozenset(pull_hosts)
        self._node = node
        self._info: ClusterInfo | None = None

    # --- what it is --------------------------------------------------------------------------------

    def info(self) -> ClusterInfo:
        """The server's version and our node. Raises ClusterRefused when no node is this computer."""
        with self._own_words("the cluster"):
            self._info = identity.info(self._api, self._node)
        return self._info

    def render(self, spec: Spec, locks: Sequence[ImageLock], revision: int) -> tuple[Object, ...]:
        """See protocol.Cluster.render. Asks the cluster once for our node's name and the version."""
        return render.render(spec, locks, revision, self._context())

    def _context(self) -> Context:
        info = self._info or self.info()
        sleeps = identity.sleeps(info.version)
        return Context(self._namespace, self._name, info.node, self._settle, self._pull_hosts, sleeps)

    def state(self) -> ClusterState:
        """See protocol.Cluster.state. The uid of `kube-system` is the cluster's, by custom and for want of another."""
        info = self.info()
        with self._own_words("the cluster"):
            return identity.state(self._api, self._namespace, info)

    def survey(self, wanted: Mapping[str, Sequence[Object]]) -> Survey:
        """See protocol.Cluster.survey."""
        info = self._info or self.info()
        with self._own_words("looking around"):
            return survey.survey(self._api, self._namespace, info, wanted, taken)

    # --- a transaction -----------------------------------------------------------------------------

    def plan(self, wanted: Mapping[str, Sequence[Object]], lookup: Lookup) -> Plan:
        """See protocol.Cluster.plan."""
        with self._own_words("the plan"):
            return planning.Planner(self._api, self._namespace, wanted, lookup).run()

    def drift(self, applied: Mapping[str, Sequence[Object]]) -> tuple[Drift, ...]:
        """See protocol.Cluster.drift."""
        found: list[Drift] = []
        with self._own_words("looking for changes"):
            for workload, objects in applied.items():
                for item in objects:
                    key = Key.of(item)
                    live = self._api.get(key.api_version, key.kind, key.name, self._namespace)
                    if diff.owned_by(live, workload):
                        found += drifting.drift(workload, item, live)
        return tuple(found)

    def retry_stuck_pods(self, workload: str) -> None:
        """See protocol.Cluster.retry_stuck_pods."""
        with self._own_words(workload):
            retry_stuck_pods(self._api, self._namespace, workload)

    def put(self, workload: str, objects: Sequence[Object], lookup: Lookup) -> None:
        """See protocol.Cluster.put. Raises ClusterRefused; what was applied before stays for `revert` to undo."""
        sent = [filled(item, lookup) for item in sorted(objects, key=rank)]  # a missing secret stops us before the first change
        with self._own_words(workload):
            self._at_home(lambda: inventory.remember(self._api, self._namespace, workload, objects))
        for item in sent:
            with self._own_words(f"{workload}: {describe(item)}"):
                self._at_home(lambda item=item: self._apply(workload, item))  # type: ignore[misc]
                if item["kind"] == "CustomResourceDefinition":
                    self._defined(item)

    def _apply(self, workload: str, item: Object) -> None:
        key = Key.of(item)
        live = self._api.get(key.api_version, key.kind, key.name, self._namespace)
        if not diff.owned_by(live, workload):
            raise Rejected("not-ours", planning.foreign(item, live))
        server_side_apply.apply(self._api, item, live, self._namespace)
        if live is not None:
            stopping.wake(self._api, self._namespace, item, live)

    def _at_home(self, change: Callable[[], None]) -> None:
        """In our namespace, which is made when it turns out to be missing."""
        try:
            change()
        except Rejected as error:
            if error.code != "namespace-missing":
                raise
            home = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self._namespace}}
            self._api.apply(home, self._namespace, force=False)
            change()

    def _defined(self, item: Object) -> None:
        deadline = time.monotonic() + DEFINING
        while time.monotonic() < deadline:
            live = self._api.get(item["apiVersion"], item["kind"], item["metadata"]["name"])
            if live is not None and health(live).phase is not Phase.WAITING:
                break
            time.sleep(0.1)
        self._api.invalidate_discovery()

    def wait(
        self, wanted: Mapping[str, Sequence[Object]], patience: WaitPolicy, progress: Progress, stop: Callable[[], bool]
    ) -> Mapping[str, Health]:
        """See protocol.Cluster.wait."""
        from kelvin_provision.cluster.kubernetes import waiting  # who only looks starts sooner without; so with the others below

        with self._own_words("waiting"):
            return waiting.wait(self._api, self._namespace, wanted, patience, waiting.WaitCallbacks(progress, stop))

    def finish(self, workload: str, objects: Sequence[Object]) -> None:
        """See protocol.Cluster.finish. What holds data stays until `remove`."""
        with self._own_words(workload):
            there = inventory.owned(self._api, self._namespace, workload, objects)
            for item in inventory.superfluous(there, objects):
                removal.delete(self._api, self._namespace, item)

    def revert(self, workload: str, objects: Sequence[Object], lookup: Lookup) -> None:
        """See protocol.Cluster.revert."""
        if not objects:
            self.remove(workload)
            return
        self.put(workload, objects, lookup)
        self.finish(workload, objects)
        with self._own_words(workload):
            replace_stuck_pods(self._api, self._namespace, workload, objects)

    def stop(self, workload: str) -> None:
        """See protocol.Cluster.stop. Waits until the last pod is gone, a minute at most."""
        with self._own_words(workload):
            stopping.stop(self._api, self._namespace, workload, patience=GOING)

    # --- looking and taking away -------------------------------------------------------------------

    def evidence(self, workload: str) -> tuple[str, ...]:
        """See protocol.Cluster.evidence."""
        from kelvin_provision.cluster.kubernetes import evidence

        return evidence.evidence(self._api, self._namespace, workload)

    def observe(self) -> Mapping[str, Observation]:
        """See protocol.Cluster.observe."""
        seen = timestamps.rfc3339_now()
        with self._own_words("looking"):
            objects = self._api.list_objects("v1", "ConfigMap", self._namespace, OWNER, metadata=True)
            for version, kind in (("apps/v1", "Deployment"), ("apps/v1", "StatefulSet"), ("apps/v1", "DaemonSet"), ("batch/v1", "Job")):
                objects += self._api.list_objects(version, kind, self._namespace, OWNER)
            pods = self._api.list_objects("v1", "Pod", self._namespace, OWNER)
            events: list[Object] = []
            if any(not is_ready(pod) for pod in pods):
                events = self._api.list_objects("v1", "Event", self._namespace, fields=WARNINGS)
        notes = {name: (path, read_note(Path(path) / HOLD_FILE)) for name, path in holds.hold_folders([*objects, *pods])}
        files = {name: Hold(note[0], f"{path}/{HOLD_FILE}", note[1]) for name, (path, note) in notes.items() if note}
        return observation.observations(objects, pods, events, seen, files)

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
        """See protocol.Cluster.logs."""
        from kelvin_provision.cluster.kubernetes import logs
        from kelvin_provision.cluster.logs.sources import LogOptions

        with self._own_words(workload):
            yield from logs.logs(self._api, self._namespace, workload, LogOptions(tail, since, previous=previous, follow=follow), stop)

    def remove(self, workload: str) -> tuple[str, ...]:
        """See protocol.Cluster.remove. Waits until the last pod is gone, a minute at most."""
        with self._own_words(workload):
            return removal.remove(self._api, self._namespace, workload, patience=GOING)

    def watch(self, stop: Callable[[], bool]) -> Iterator[bool]:
        """See protocol.Cluster.watch."""
        from kelvin_provision.cluster.kubernetes.changes import changes

        return changes(self._api, self._namespace, stop)

    @contextmanager
    def _own_words(self, what: str) -> Iterator[None]:
        """A refusal in the middle of a change, which the plan had not found."""
        try:
            yield
        except Rejected as error:
            raise ClusterRefused(f"{what}: {error}", evidence=[f"{error.code}: {error}"]) from error
