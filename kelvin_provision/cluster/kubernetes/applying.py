"""Applies the objects of a workload in the order of their dependencies."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial

from kelvin_provision.cluster.health import Phase
from kelvin_provision.cluster.kubernetes import inventory, scaling, server_side_apply
from kelvin_provision.cluster.kubernetes.api import webhooks
from kelvin_provision.cluster.kubernetes.api.errors import Rejected, WebhookFailed
from kelvin_provision.cluster.kubernetes.api.verbs import Api
from kelvin_provision.cluster.kubernetes.deletion import stopping
from kelvin_provision.cluster.kubernetes.judge import claims, diff, ports
from kelvin_provision.cluster.kubernetes.judge.readiness import condition, health
from kelvin_provision.cluster.kubernetes.render.objects import defined_kinds, namespace_of, rank
from kelvin_provision.cluster.kubernetes.render.secrets import fill_secrets
from kelvin_provision.cluster.labels import OWNER
from kelvin_provision.cluster.plan import describe
from kelvin_provision.cluster.protocol import UNSCALED, Lookup, Scale
from kelvin_provision.errors import ClusterRefused, ProvisionError
from kelvin_provision.spec.workload import Object

ESTABLISH_TIMEOUT = 30.0
"""Seconds until the server must serve a kind after its CustomResourceDefinition was applied."""
TICK = 0.1
ESTABLISHED_BY = {"CustomResourceDefinition": "Established", "APIService": "Available"}
"""The condition of kinds that bring other kinds."""


def release(api: Api, namespace: str, desired: Mapping[str, Sequence[Object]]) -> None:
    """Give node ports back that another workload takes over: the server lets no two Services have one.

    The Services keep their address inside the cluster until they are updated or removed with their workload. May be repeated.
    """
    if not ports.claims_node_ports(desired):
        return
    for service in ports.released(desired, api.list_objects("v1", "Service", None, OWNER), namespace):
        entries = [{key: value for key, value in port.items() if key != "nodePort"} for port in service["spec"]["ports"]]
        spec = {"type": "ClusterIP", "externalTrafficPolicy": None, "ports": entries}
        patch: Object = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": service["metadata"]["name"]}, "spec": spec}
        api.patch(patch, service["metadata"].get("namespace") or namespace)


def put(api: Api, namespace: str, workload: str, objects: Sequence[Object], lookup: Lookup, *, scale: Scale = UNSCALED) -> None:
    """See protocol.Cluster.put. Raises ClusterRefused; what was applied before stays for `revert` to undo."""
    for item in _prepared(api, namespace, workload, objects, lookup):
        _put_object(api, namespace, workload, item, scale.get(describe(item)))


def put_back(
    api: Api, namespace: str, workload: str, objects: Sequence[Object], lookup: Lookup, *, scale: Scale = UNSCALED
) -> list[ProvisionError]:
    """The same, past objects that the server refuses: one that cannot go back must not keep the others from it. Returns the refusals.

    What a webhook could not be asked about is tried again at the end: its pods may be coming up.
    """
    refused: list[ProvisionError] = []
    items = [(item, 1) for item in _prepared(api, namespace, workload, objects, lookup)]
    for item, attempts in items:  # grows
        try:
            _put_object(api, namespace, workload, item, scale.get(describe(item)), attempts=attempts)
        except ProvisionError as error:
            if error.temporary:
                raise
            if isinstance(error.__cause__, WebhookFailed) and attempts == 1:
                items.append((item, webhooks.BACK))
            else:
                refused.append(error)
    return refused


def _prepared(api: Api, namespace: str, workload: str, objects: Sequence[Object], lookup: Lookup) -> list[Object]:
    filled = [fill_secrets(item, lookup) for item in sorted(objects, key=rank)]  # raises SecretMissing before the first change
    with rejections_of(workload):
        in_namespace(api, namespace, lambda: inventory.record_kinds(api, namespace, workload, objects))
    return filled


def _put_object(api: Api, namespace: str, workload: str, item: Object, replicas: int | None, *, attempts: int = webhooks.FORWARD) -> None:
    with rejections_of(f"{workload}: {describe(item)}"):
        change = partial(_apply, api, namespace, workload, item, replicas)
        webhooks.retried(lambda: in_namespace(api, namespace, change, item), attempts)
        if item["kind"] in ESTABLISHED_BY:
            _wait_until_established(api, item)


@contextmanager
def rejections_of(subject: str) -> Iterator[None]:
    """Translate Rejected, which never leaves the package, to ClusterRefused."""
    try:
        yield
    except Rejected as error:
        raise ClusterRefused(f"{subject}: {error}", evidence=[f"{error.code}: {error}"]) from error


def _apply(api: Api, namespace: str, workload: str, item: Object, replicas: int | None) -> None:
    live = inventory.live(api, namespace, item)
    if not diff.owned_by(live, workload, item):
        if item["kind"] == "Namespace":
            return  # used as it is
        raise Rejected("not-ours", diff.foreign(item, live))
    item = scaling.with_replicas(claims.never_shrunk(item, live), replicas)
    number = scaling.autoscaled(api, namespace, item, live)
    if number is not None:
        item, replicas = scaling.without_replicas(item), number
    if replicas is not None and live is not None and not scaling.sets_replicas(item):
        scaling.hold_replicas(api, namespace, item, live, replicas)
    server_side_apply.apply(api, item, live, namespace)
    if live is not None:
        stopping.restore_replicas(api, namespace, item, live)


def in_namespace(api: Api, home: str, change: Callable[[], object], item: Object | None = None) -> None:
    """Create the box's namespace only if a change fails because it is missing: we may lack permission to read namespaces.

    Others are objects of the workload.
    """
    try:
        change()
    except Rejected as error:
        if error.code != "namespace-missing" or (item and namespace_of(item) not in {"", home}):
            raise
        api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": home}}, home, force=False)
        change()


def _wait_until_established(api: Api, item: Object) -> None:
    """Until the server serves the kinds that the object brings. Not longer than some seconds: what needs them says what is missing."""
    deadline = time.monotonic() + ESTABLISH_TIMEOUT
    while time.monotonic() < deadline:
        live = api.get(item["apiVersion"], item["kind"], item["metadata"]["name"])
        if live is not None and condition(live, ESTABLISHED_BY[item["kind"]]).get("status") == "True" and _are_served(api, live):
            return
        if live is not None and health(live).phase is Phase.FAILED:
            break
        time.sleep(TICK)
    api.invalidate_discovery()


def _are_served(api: Api, definition: Object) -> bool:
    """A busy server lists a kind some time after it has established it."""
    api.invalidate_discovery()
    for version, kind in defined_kinds(definition):
        try:
            api.namespaced(version, kind)
        except Rejected as error:
            if error.code != "unknown-kind":
                raise
            return False
    return True
