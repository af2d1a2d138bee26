"""What is on the cluster, beside what the ledger says that there should be."""

from collections.abc import Iterator
from pathlib import Path

from kelvin_provision.cluster.kubernetes.api.verbs import Api
from kelvin_provision.cluster.kubernetes.inventory import record_name
from kelvin_provision.cluster.labels import OWNER, REVISION
from kelvin_provision.cluster.plan import describe
from kelvin_provision.ledger.model.workloads import Workload

KINDS = (
    ("apps/v1", "Deployment"),
    ("apps/v1", "StatefulSet"),
    ("v1", "Service"),
    ("v1", "ConfigMap"),
    ("v1", "Secret"),
    ("v1", "PersistentVolumeClaim"),
)


class Namespace:
    def __init__(self, kubeconfig: Path, name: str) -> None:
        self._api, self._name = Api(kubeconfig=kubeconfig, context=None), name

    def wrong(self, workload: Workload | None) -> list[str]:
        """Orphans, missing objects, and generations of pods that should not be there (any more)."""
        running = workload.running if workload else None
        found = [item for kind in KINDS for item in self._api.list_objects(*kind, self._name, OWNER, metadata=True)]
        wanted = {describe(item) for item in running.objects or ()} if running else set()
        record = {f"ConfigMap/{record_name(workload.name)}"} if running else set()
        there = {describe(item) for item in found} - record
        problems = [f"orphan: {name}" for name in sorted(there - wanted)] + [f"missing: {name}" for name in sorted(wanted - there)]
        return [*problems, *self._generations(workload)]

    def _generations(self, workload: Workload | None) -> Iterator[str]:
        deployments = self._api.list_objects("apps/v1", "Deployment", self._name, OWNER)
        sets = self._api.list_objects("apps/v1", "ReplicaSet", self._name, OWNER)
        pods = [pod for pod in self._api.list_objects("v1", "Pod", self._name, OWNER) if not pod["metadata"].get("deletionTimestamp")]
        running = workload.running if workload else None
        up = 1 if running and workload.enabled else 0
        revisions = [int(item["metadata"]["annotations"][REVISION]) for item in deployments]
        if revisions != ([running.number] if running else []):
            yield f"deployments of revisions {revisions}, running is {running and running.number}"
        if (alive := sum(1 for item in sets if item["spec"].get("replicas"))) != up:
            yield f"{alive} generations of pods"
        if len(pods) != up:
            yield f"{len(pods)} pods"
