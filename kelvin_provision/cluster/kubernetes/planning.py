"""Desired against live, and a dry run of everything by the server itself: what would change, and every reason why it cannot.

Reads and dry runs only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from kelvin_provision.cluster.kubernetes import inventory, server_side_apply
from kelvin_provision.cluster.kubernetes.api.errors import Rejected
from kelvin_provision.cluster.kubernetes.api.verbs import Api
from kelvin_provision.cluster.kubernetes.judge import diff, ports
from kelvin_provision.cluster.kubernetes.render.objects import CLUSTER_SCOPED, Key, containers_of, template_hash, template_of
from kelvin_provision.cluster.kubernetes.render.pod import PAUSE
from kelvin_provision.cluster.kubernetes.render.secrets import filled
from kelvin_provision.cluster.labels import OWNER
from kelvin_provision.cluster.plan import Change, Finding, Interruption, Op, Plan, describe
from kelvin_provision.cluster.protocol import Lookup
from kelvin_provision.spec.workload import Object

SLEEP = {"exec": {"command": ["sleep", str(PAUSE)]}}
"""The pause that we write where Kubernetes has none of its own."""
LOOKS = 5
"""So often an object is looked at that others are writing at the same time; the last pair is taken as it is."""


class Planner:
    """One plan for several workloads in one namespace."""

    def __init__(self, api: Api, namespace: str, wanted: Mapping[str, Sequence[Object]], lookup: Lookup) -> None:
        self._api = api
        self._namespace = namespace
        self._wanted = wanted
        self._lookup = lookup
        self._changes: list[Change] = []
        self._findings: list[Finding] = []
        self._remarks: list[str] = []
        self._interruptions: list[Interruption] = []
        self._new = {Key.of(item) for objects in wanted.values() for item in objects}
        self._defined = {pair for objects in wanted.values() for item in objects for pair in defined(item)}

    def run(self) -> Plan:
        """All findings at once."""
        home = self._api.get("v1", "Namespace", self._namespace)
        if home is not None and (home.get("status") or {}).get("phase") == "Terminating":
            where = f"Namespace/{self._namespace}"
            return Plan(findings=tuple(Finding("namespace-terminating", name, where, "it is being deleted") for name in self._wanted))
        for workload, objects in self._wanted.items():
            if home is None:
                self._changes.append(Change(Op.CREATE, workload, f"Namespace/{self._namespace}", "not on the cluster"))
            for item in objects:
                self._object(workload, item, nowhere=home is None and item["kind"] not in CLUSTER_SCOPED)
            self._beyond(workload, objects)
        if ports.any_claims(self._wanted):
            live = [*self._api.list_objects("v1", "Service", None), *self._api.list_objects("v1", "Pod", None)]
            self._findings += ports.taken(self._wanted, live)
        findings = tuple(dict.fromkeys(self._findings))
        return Plan(tuple(self._changes), findings, tuple(self._remarks), tuple(self._interruptions))

    def _object(self, workload: str, item: Object, *, nowhere: bool) -> None:
        key = Key.of(item)
        try:
            if (key.api_version, key.kind) in self._defined and not self._known(key):
                self._changes.append(Change(Op.CREATE, workload, describe(item), "to be created with its definition"))
                return
            if nowhere:
                self._api.namespaced(key.api_version, key.kind)
                self._changes.append(Change(Op.CREATE, workload, describe(item), "to be created with its namespace"))
                return
            live, outcome = self._both(workload, item, key)
            if outcome is None:
                self._found("not-ours", workload, item, foreign(item, live))
                return
            change = diff.change(workload, live, outcome)
            self._changes.append(change)
            if change.op is not Op.KEEP:
                self._pod(workload, item, live)
            if change.op is Op.UPDATE and template_hash(live or {}) != template_hash(item):
                served = any(other["kind"] == "Service" for other in self._wanted[workload])
                self._interruptions += interruptions(workload, item, served=served)
        except Rejected as error:
            self._found(error.code, workload, item, str(error))

    def _both(self, workload: str, item: Object, key: Key) -> tuple[Object | None, Object | None]:
        """The object as it is, and as it would be; the second is None where it is not ours.

        A dry run's answer bears the version that it was worked out from. What a controller wrote between the two looks is no
        change of ours: then both are done again.
        """
        for _ in range(LOOKS):
            live = self._api.get(key.api_version, key.kind, key.name, self._namespace)
            if not diff.owned_by(live, workload):
                return live, None
            outcome = server_side_apply.apply(self._api, filled(item, self._lookup), live, self._namespace, dry_run=True)
            if diff.version(live) == diff.version(outcome):
                break
        return live, outcome

    def _known(self, key: Key) -> bool:
        try:
            self._api.namespaced(key.api_version, key.kind)
        except Rejected:
            return False
        return True

    def _found(self, code: str, workload: str, item: Object, message: str) -> None:
        self._findings.append(Finding(code, workload, describe(item), message))

    def _pod(self, workload: str, item: Object, live: Object | None) -> None:
        """What the pods will be refused for is known now, not in the middle of the change."""
        pod = pod_of(item)
        if pod is None or self._leans_on_new(pod):
            return
        try:
            self._api.create(filled(pod, self._lookup), self._namespace, dry_run=True)
        except Rejected as error:
            if "exceeded quota" in str(error) and live is not None and recreates(item):
                self._remarks.append(f"{workload}: {error} (the old pod goes first)")
            else:
                self._found(error.code, workload, item, f"its pods: {error}")

    def _leans_on_new(self, pod: Object) -> bool:
        """Whether the pod needs what the same set makes: then the server would refuse it only for now."""
        spec = pod["spec"]
        wanted = {("ServiceAccount", spec.get("serviceAccountName")), ("PriorityClass", spec.get("priorityClassName"))}
        return any((key.kind, key.name) in wanted for key in self._new)

    def _beyond(self, workload: str, objects: Sequence[Object]) -> None:
        there = inventory.owned(self._api, self._namespace, workload, objects)
        going = inventory.superfluous(there, objects)
        self._changes += [diff.gone(workload, item) for item in going]
        wanted = {Key.of(item) for item in objects} | {Key.of(item) for item in going}
        self._remarks += [f"{describe(item)} is kept with its data until undeploy" for item in there if Key.of(item) not in wanted]


def foreign(item: Object, live: Object | None) -> str:
    """Whose it is instead."""
    other = ((live or {}).get("metadata") or {}).get("labels", {}).get(OWNER)
    whose = f"belongs to the workload {other}" if other else "does not carry our label"
    return f"{describe(item)} exists already and {whose}"


def defined(item: Object) -> Iterator[tuple[str, str]]:
    """The kinds that a definition brings: `(group/version, kind)`."""
    if item.get("kind") == "CustomResourceDefinition":
        spec = item.get("spec") or {}
        for version in spec.get("versions") or ():
            yield f"{spec.get('group')}/{version.get('name')}", (spec.get("names") or {}).get("kind", "")


def pod_of(item: Object) -> Object | None:
    """A Pod as the controller of this object would make it."""
    template = template_of(item)
    if template is None or item.get("kind") == "Pod":
        return None
    metadata = (template.get("metadata") or {}) | {
        "name": f"{item['metadata']['name']}-trial",
        "namespace": item["metadata"].get("namespace"),
    }
    spec = dict(template.get("spec") or {})
    names = [claim["metadata"]["name"] for claim in (item.get("spec") or {}).get("volumeClaimTemplates") or ()]
    claimed = [{"name": name, "persistentVolumeClaim": {"claimName": name}} for name in names]
    if claimed:
        spec["volumes"] = [*(spec.get("volumes") or ()), *claimed]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def recreates(item: Object) -> bool:
    """Whether the old pods go before the new ones come."""
    return ((item.get("spec") or {}).get("strategy") or {}).get("type") == "Recreate"


def interruptions(workload: str, item: Object, *, served: bool) -> Iterator[Interruption]:
    """What clients notice when the pods of an object that runs are replaced."""
    if recreates(item):
        held = sorted({f"{kind} port {number}" for kind, _, number in ports.claims(item)} | set(claimed(item)))
        why = f" ({', '.join(held)})" if held else ""
        yield Interruption(workload, f"two pods cannot run side by side{why}")
    elif item["kind"] in {"StatefulSet", "DaemonSet"}:
        yield Interruption(workload, f"a {item['kind']} ends each old pod before its new one begins")
    elif item["kind"] == "Deployment" and served and not pauses(item):
        yield Interruption(workload, "the old pod is not held back while its last clients leave", certain=False)
    elif item["kind"] == "Deployment" and served and SLEEP in pauses(item):
        why = "Kubernetes before 1.30 cannot wait by itself, and the image may have no sleep"
        yield Interruption(workload, why, certain=False)


def pauses(item: Object) -> list[Object]:
    """What the containers do before they are told to end."""
    cycles = [container.get("lifecycle") or {} for container in containers_of(template_of(item) or {})]
    return [cycle["preStop"] for cycle in cycles if cycle.get("preStop")]


def claimed(item: Object) -> Iterator[str]:
    """The persistent volumes that an object's pods hold."""
    for volume in ((template_of(item) or {}).get("spec") or {}).get("volumes") or ():
        if "persistentVolumeClaim" in volume:
            yield f"persistent volume {volume['persistentVolumeClaim'].get('claimName')}"
