"""Looking around before a change: rights, room, pull policies, ports; and the state of node and namespace. Reads only."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from kelvin_provision.cluster.kubernetes.api.errors import Rejected
from kelvin_provision.cluster.kubernetes.api.verbs import Api
from kelvin_provision.cluster.kubernetes.judge import permissions, ports
from kelvin_provision.cluster.kubernetes.judge.capacity import rooms
from kelvin_provision.cluster.kubernetes.render.objects import containers_of, owner, template_of
from kelvin_provision.cluster.plan import Finding, describe
from kelvin_provision.cluster.survey import ClusterInfo, Condition, ImageUse, ResourceDemand, Survey
from kelvin_provision.errors import ClusterDenied, ReferenceInvalid
from kelvin_provision.refs import Reference
from kelvin_provision.spec.workload import Object

VERIFIES = (1, 33)
"""The first kubelet that remembers which credentials an image was pulled with, where it is told to (KEP-2535)."""
HOME = "namespaces"
_POLICIES = {"Always": "always", "IfNotPresent": "missing", "Never": "never"}
_GOOD_WHEN_TRUE = {"Ready"}
_KNOWN = ("Ready", "MemoryPressure", "DiskPressure", "PIDPressure", "NetworkUnavailable")

Ports = Collection[tuple[int, str]]


def survey(api: Api, namespace: str, info: ClusterInfo, wanted: Mapping[str, Sequence[Object]], listening: Callable[[], Ports]) -> Survey:
    """All of it, in four or five questions. Who listens on this box is only asked where somebody wants a port of it."""
    denied, granted = _rights(api, namespace, wanted)
    room: tuple[ResourceDemand, ...] = ()
    try:
        room = rooms(
            wanted, api.list_objects("v1", "Pod", None, fields=f"spec.nodeName={info.node}"), api.get("v1", "Node", info.node) or {}
        )
    except ClusterDenied:
        denied.append("list pods of all namespaces (so nobody knows what room is left)")
    services, heard = (api.list_objects("v1", "Service", namespace), listening()) if ports.any_claims(wanted) else ([], ())
    return Survey(
        images=tuple(use for workload, objects in wanted.items() for use in images(workload, objects)),
        resources=room,
        denied=tuple(denied),
        allowed=granted,
        port_conflicts=tuple(port_conflicts(wanted, services, heard)),
        verifies_credentials=at_least(info.version, VERIFIES),
    )


def _rights(api: Api, namespace: str, wanted: Mapping[str, Sequence[Object]]) -> tuple[list[str], int]:
    """Where the list of rules is not whole, what it lacks is asked one by one; it never covers what stands outside of namespaces."""
    needed = permissions.needed(_resources(api, wanted))
    status = api.create(permissions.review(namespace), namespace).get("status") or {}
    rules = status.get("resourceRules") or []
    open_questions = [right for right in needed if not right.namespaced or not permissions.granted(right, rules)]
    sure = not status.get("incomplete")
    missing = [right for right in open_questions if (right.namespaced and sure) or not _allowed(api, right, namespace)]
    return list(permissions.in_words(missing)), len(needed) - len(missing)


def _allowed(api: Api, right: permissions.Right, namespace: str) -> bool:
    return bool((api.create(permissions.question(right, namespace), namespace).get("status") or {}).get("allowed"))


def _resources(api: Api, wanted: Mapping[str, Sequence[Object]]) -> Iterator[tuple[str, str, bool]]:
    for version, kind in dict.fromkeys((item["apiVersion"], item["kind"]) for objects in wanted.values() for item in objects):
        try:
            plural, namespaced = api.plural(version, kind)
        except Rejected:
            continue  # the plan names a kind that nobody knows
        yield version.rpartition("/")[0], plural, namespaced


def images(workload: str, objects: Sequence[Object]) -> Iterator[ImageUse]:
    """Every container of the wanted pods, with the policy that the server would give it where it has none."""
    for item in objects:
        template = template_of(item)
        login = bool(((template or {}).get("spec") or {}).get("imagePullSecrets"))
        for container in containers_of(template) if template else ():
            image = str(container.get("image") or "")
            host, pinned, movable = _image(image)
            policy = _POLICIES.get(container.get("imagePullPolicy") or "", "always" if movable else "missing")
            yield ImageUse(workload, f"{describe(item)}/{container.get('name', '?')}", image, policy, pinned, host, login)


def _image(text: str) -> tuple[str, bool, bool]:
    try:
        reference = Reference.parse(text)
    except ReferenceInvalid:
        return "", False, True
    return reference.host, reference.digest is not None, reference.mutable


def port_conflicts(wanted: Mapping[str, Sequence[Object]], services: Sequence[Object], listening: Ports) -> Iterator[Finding]:
    """Wanted ports that a program on this box listens on. What a service of the same workload has now is listened to for it."""
    mine = {(owner(item), *port[1:]) for item in services for port in ports.claims(item)}
    for workload, objects in wanted.items():
        for item in objects:
            for kind, protocol, number in ports.claims(item):
                if (number, protocol.lower()) in listening and (workload, protocol, number) not in mine:
                    message = f"{kind} port {number}/{protocol} is listened on by a program of this box"
                    yield Finding("port-taken", workload, describe(item), message)


def conditions(node: Object) -> Iterator[Condition]:
    """What the node says of itself; a cordoned one takes no pods."""
    found = {one.get("type"): one for one in (node.get("status") or {}).get("conditions") or ()}
    own_name = (node.get("metadata") or {}).get("name", "")
    for name in [*(name for name in _KNOWN if name in found), *(name for name in found if name not in _KNOWN)]:
        one = found[name]
        well = one.get("status") == ("True" if name in _GOOD_WHEN_TRUE else "False")
        message = "" if well else str(one.get("message") or one.get("reason") or one.get("status"))
        yield Condition(str(name), well, message, hint=f"kubectl describe node {own_name}")
    if (node.get("spec") or {}).get("unschedulable"):
        message, hint = "it is cordoned: no new pod is put on it", f"kubectl uncordon {own_name}"
        yield Condition("Schedulable", healthy=False, message=message, critical=False, hint=hint)


def at_least(version: str, wanted: tuple[int, int]) -> bool:
    """Whether `v1.33.1+k3s1` is `wanted` or newer."""
    found = re.match(r"v?(\d+)\.(\d+)", version)
    return found is not None and (int(found[1]), int(found[2])) >= wanted
