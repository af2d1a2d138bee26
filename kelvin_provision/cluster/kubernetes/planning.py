"""Compares desired objects with live ones by a dry run of each on the server, and collects every reason why a change cannot work.

Reads and dry runs only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from kelvin_provision.cluster.kubernetes import inventory, scaling, server_side_apply
from kelvin_provision.cluster.kubernetes.api.errors import Rejected, WebhookFailed
from kelvin_provision.cluster.kubernetes.api.verbs import Api
from kelvin_provision.cluster.kubernetes.judge import admission, claims, diff, exclusive, outdated, ports
from kelvin_provision.cluster.kubernetes.judge.interruptions import interruptions, recreates
from kelvin_provision.cluster.kubernetes.judge.ports import claims_ports, conflicts_in_cluster
from kelvin_provision.cluster.kubernetes.judge.readiness import held_back
from kelvin_provision.cluster.kubernetes.namespaces import namespaces_of_plan
from kelvin_provision.cluster.kubernetes.render.objects import (
    CLUSTER_SCOPED,
    Key,
    defined_kinds,
    keys_of,
    namespace_of,
    template_hash,
    template_of,
)
from kelvin_provision.cluster.kubernetes.render.secrets import fill_secrets
from kelvin_provision.cluster.kubernetes.render.waves import is_late
from kelvin_provision.cluster.plan import AdmittedImage, Change, Finding, Interruption, Op, Plan, describe, names
from kelvin_provision.cluster.protocol import UNSCALED, Lookup, Scale
from kelvin_provision.errors import ClusterDenied
from kelvin_provision.spec.workload import Object

MAX_DRY_RUNS = 5
"""Limit for an object that a controller keeps changing; the last dry run is used as it is."""


RENAME_JOB = "give the Job a name of its own in each version, such as one that ends with the version; the earlier Job is then removed"


class CannotGrow(Rejected):
    """The server does not let a claim grow: its class is not expandable, it is not bound, or it is a template. `size` is what it has."""

    def __init__(self, size: str, message: str) -> None:
        super().__init__("immutable-field", message)
        self.size = size


class Planner:
    """Makes one plan for several workloads. `namespace` is the box's."""

    def __init__(
        self, api: Api, namespace: str, desired: Mapping[str, Sequence[Object]], lookup: Lookup, scales: Mapping[str, Scale]
    ) -> None:
        self._api = api
        self._namespace = namespace
        self._desired = desired
        self._lookup = lookup
        self._scales = scales
        self._changes: list[Change] = []
        self._findings: list[Finding] = []
        self._remarks: list[str] = []
        self._interruptions: list[Interruption] = []
        self._admitted: list[AdmittedImage] = []
        self._listed_nodes: list[Object] | None = None
        self._names = {Key.of(item): name for objects in desired.values() for item, name in zip(objects, names(objects), strict=True)}
        self._absent: frozenset[str] = frozenset()
        """Namespaces that do not exist yet."""
        self._everything = [item for objects in desired.values() for item in objects]
        self._brought = {(key.kind, key.name) for key in self._names}
        self._defined = {pair for objects in desired.values() for item in objects for pair in defined_kinds(item)}

    def run(self) -> Plan:
        """Does not stop at the first finding."""
        self._absent, terminating = namespaces_of_plan(self._api, self._namespace, self._desired)
        if terminating:
            return Plan(findings=terminating)
        for workload, objects in self._desired.items():
            if self._namespace in self._absent:
                self._changes.append(Change(Op.CREATE, workload, f"Namespace/{self._namespace}", "not on the cluster"))
            for item in objects:
                self._api.take_warnings()  # of requests before
                self._plan_object(workload, item)
                self._remarks += [f"{workload}: {self._name(item)}: the API server warns: {text}" for text in self._api.take_warnings()]
            self._plan_pruning(workload, objects)
        if claims_ports(self._desired):
            live = [*self._api.list_objects("v1", "Service", None), *self._api.list_objects("v1", "Pod", None)]
            self._findings += conflicts_in_cluster(self._desired, live, self._nodes())
        findings = tuple(dict.fromkeys(self._findings))
        admitted = tuple(dict.fromkeys(self._admitted))
        return Plan(tuple(self._changes), findings, tuple(self._remarks), tuple(self._interruptions), admitted)

    def _plan_object(self, workload: str, item: Object) -> None:
        key = Key.of(item)
        try:
            if after := self._comes_after(item, key):
                self._changes.append(Change(Op.CREATE, workload, self._name(item), f"created after {after}"))
                return
            if item["kind"] not in CLUSTER_SCOPED and (namespace_of(item) or self._namespace) in self._absent:
                self._api.namespaced(key.api_version, key.kind)  # raises for an unknown kind
                self._changes.append(Change(Op.CREATE, workload, self._name(item), "created after its namespace"))
                return
            self._compare(workload, item)
        except CannotGrow as error:
            hint = f"keep {error.size}"
            self._findings.append(Finding(error.code, workload, self._name(item), f"cannot be expanded; {hint}: {error}", hint))
        except WebhookFailed as error:
            if is_late(item, self._everything):
                self._changes.append(
                    Change(self._op(item), workload, self._name(item), "checked by its webhook as soon as the webhook is up")
                )
            else:
                self._add_finding(error.code, workload, item, str(error))
        except Rejected as error:
            if error.code != "port-taken" or not self._is_freed(item):
                self._add_finding(error.code, workload, item, str(error))
                return
            self._changes.append(Change(self._op(item), workload, self._name(item), "as soon as its node port is released"))

    def _is_freed(self, item: Object) -> bool:
        """Whether the node ports that the server refuses are given back by this very plan."""
        return ports.frees(item, self._desired, self._api.list_objects("v1", "Service", None), self._namespace)

    def _compare(self, workload: str, item: Object) -> None:
        live, outcome = self._dry_run(workload, item)
        if outcome is None and item["kind"] == "Namespace":
            self._changes.append(Change(Op.KEEP, workload, self._name(item), "used as it is: it was not created for this workload"))
            return
        if outcome is None:
            self._add_finding("not-ours", workload, item, diff.foreign(item, live))
            return
        self._admitted += admission.changed_images(workload, item, item, outcome)
        change = replace(diff.change(workload, live, outcome), object=self._name(item))
        self._changes.append(change)
        if change.op is not Op.KEEP:
            self._dry_run_pod(workload, item, live)
            self._judge_coming_up(workload, live, outcome)
        if change.op is Op.UPDATE and template_hash(live or {}) != template_hash(item):
            has_service = any(other["kind"] == "Service" for other in self._desired[workload])
            self._interruptions += interruptions(workload, item, has_service=has_service)
        self._remarks += claims.remarks(workload, item, live)
        self._remarks += filter(None, [outdated.remark(workload, live, outcome)])
        if self._scales.get(workload, UNSCALED).get(describe(item)) is None or scaling.sets_replicas(item):
            self._remarks += scaling.remarks(workload, live, outcome)

    def _comes_after(self, item: Object, key: Key) -> str:
        """What of this plan brings the kind of the object; empty if it is served already, or nothing does."""
        defined = (key.api_version, key.kind) in self._defined
        if self._is_served(key) or not (defined or is_late(item, self._everything)):
            return ""
        return "its CustomResourceDefinition" if defined else "its APIService"

    def _op(self, item: Object) -> Op:
        try:
            return Op.CREATE if inventory.live(self._api, self._namespace, item) is None else Op.UPDATE
        except Rejected:  # a webhook that converts it does not answer either
            return Op.UPDATE

    def _dry_run(self, workload: str, item: Object) -> tuple[Object | None, Object | None]:
        """Return the live object and the result of the dry run, which is None if the live object is not ours.

        The result has the resourceVersion that it is based on. If a controller has changed the object between the two requests, its
        change would look like ours, so both are repeated.
        """
        for _ in range(MAX_DRY_RUNS):
            live = inventory.live(self._api, self._namespace, item)
            if not diff.owned_by(live, workload, item):
                return live, None
            replicas = scaling.autoscaled(self._api, self._namespace, item, live)
            if replicas is None:
                replicas = self._scales.get(workload, UNSCALED).get(describe(item))
            desired = scaling.with_replicas(claims.never_shrunk(fill_secrets(item, self._lookup), live), replicas)
            try:
                outcome = server_side_apply.apply(self._api, desired, live, self._namespace, dry_run=True)
            except Rejected as error:
                before = claims.grows_from(item, live)
                if before and error.code in {"denied", "immutable-field"}:
                    raise CannotGrow(before, str(error)) from error
                raise
            if diff.resource_version(live) == diff.resource_version(outcome):
                break
        return live, outcome

    def _judge_coming_up(self, workload: str, live: Object | None, outcome: Object) -> None:
        """Find pods that would wait for each other, and those that a person keeps waiting."""
        if template_hash(live or {}) != template_hash(outcome) and (held := held_back(outcome)):
            self._findings.append(Finding("never-up", workload, describe(outcome), held.why, held.hint))
            return
        others = self._desired[workload]
        never = exclusive.deadlock(outcome, live, self._nodes(), others) if any(exclusive.exclusives(outcome, others)) else None
        if never:
            self._findings.append(Finding("never-up", workload, describe(outcome), never.why, never.hint))
        elif exclusive.listens_unseen(outcome) and live is not None and exclusive.starts_first(outcome, live):
            remark = "declares no port: if it listens on a port of the node, a new pod cannot start beside the old one"
            self._remarks.append(
                f"{workload}: {describe(outcome)} has `hostNetwork` and {remark}; in that case write `strategy: {{type: Recreate}}`"
            )

    def _nodes(self) -> list[Object]:
        """Listed once, and only for what has to do with nodes. None where we may not ask: nothing is judged then."""
        if self._listed_nodes is None:
            try:
                self._listed_nodes = self._api.list_objects("v1", "Node", None)
            except ClusterDenied:
                self._listed_nodes = []
        return self._listed_nodes

    def _is_served(self, key: Key) -> bool:
        try:
            self._api.namespaced(key.api_version, key.kind)
        except Rejected:
            return False
        return True

    def _add_finding(self, code: str, workload: str, item: Object, message: str) -> None:
        hint = RENAME_JOB if code == "immutable-field" and item["kind"] == "Job" else ""
        hint = admission.hint_for(message) if code == "denied" else hint
        self._findings.append(Finding(code, workload, self._name(item), message, hint))

    def _name(self, item: Object) -> str:
        return self._names[Key.of(item)]

    def _dry_run_pod(self, workload: str, item: Object, live: Object | None) -> None:
        """Find rejections by quota and admission: they reject pods, not their controllers, and so only after an apply."""
        pod = pod_of(item)
        if pod is None or self._depends_on_new(pod):
            return
        try:
            answer = self._api.create(fill_secrets(pod, self._lookup), self._namespace, dry_run=True)
            self._admitted += admission.changed_images(workload, item, pod, {"kind": "Pod"} | answer)
        except Rejected as error:
            if "exceeded quota" in str(error) and live is not None and recreates(item):
                self._remarks.append(f"{workload}: {error} (the old pod is deleted first)")
            else:
                self._add_finding(error.code, workload, item, f"its pods: {error}")

    def _depends_on_new(self, pod: Object) -> bool:
        """Whether the pod needs an object of this plan, without which the server rejects it."""
        spec = pod["spec"]
        needed = {("ServiceAccount", spec.get("serviceAccountName")), ("PriorityClass", spec.get("priorityClassName"))}
        return not needed.isdisjoint(self._brought)

    def _plan_pruning(self, workload: str, objects: Sequence[Object]) -> None:
        owned = inventory.owned(self._api, self._namespace, workload, objects)
        pruned = inventory.prunable(owned, objects)
        self._changes += [diff.deletion(workload, item) for item in pruned]
        accounted = keys_of([*objects, *pruned])
        self._remarks += [f"{describe(item)} is kept with its data until undeploy" for item in owned if Key.of(item) not in accounted]


def pod_of(item: Object) -> Object | None:
    """Build a Pod as the object's controller would create it."""
    template = template_of(item)
    if template is None or item.get("kind") == "Pod":
        return None
    own = {"name": f"{item['metadata']['name']}-trial", "namespace": item["metadata"].get("namespace")}
    spec = dict(template.get("spec") or {})
    claims_of = (item.get("spec") or {}).get("volumeClaimTemplates") or ()
    names = [name for claim in claims_of if (name := (claim.get("metadata") or {}).get("name"))]
    if names:
        claimed = [{"name": name, "persistentVolumeClaim": {"claimName": name}} for name in names]
        spec["volumes"] = [*(spec.get("volumes") or ()), *claimed]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": (template.get("metadata") or {}) | own, "spec": spec}
