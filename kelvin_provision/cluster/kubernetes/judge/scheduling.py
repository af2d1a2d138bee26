"""On which nodes the scheduler may place a pod: node selector, node affinity, taints against tolerations. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from kelvin_provision.cluster.kubernetes.render.objects import template_of
from kelvin_provision.cluster.plan import describe
from kelvin_provision.cluster.survey import Unplaceable
from kelvin_provision.spec.workload import Object

REPELS = frozenset({"NoSchedule", "NoExecute"})
"""Effects of a taint that keep a pod from a node; PreferNoSchedule does not."""

CONDITION = "node.kubernetes.io/"
UNSCHEDULABLE = f"{CONDITION}unschedulable"
ALWAYS_TOLERATED = frozenset({(f"{CONDITION}not-ready", "NoExecute"), (f"{CONDITION}unreachable", "NoExecute")})
"""Key and effect of taints that every pod is given tolerations for."""

DAEMONS_TOLERATE = frozenset(
    {
        (f"{CONDITION}disk-pressure", "NoSchedule"),
        (f"{CONDITION}memory-pressure", "NoSchedule"),
        (f"{CONDITION}pid-pressure", "NoSchedule"),
        (UNSCHEDULABLE, "NoSchedule"),
    }
)
"""What the controller adds to the pods of a DaemonSet."""


def fitting(nodes: Iterable[Object], pod: Mapping[str, Any]) -> list[Object]:
    """The nodes that the spec of a pod selects; without those whose taints it does not tolerate, unless no other is left."""
    selected = [node for node in nodes if selects(node, pod)]
    return [node for node in selected if not any(untolerated(node, pod))] or selected


def unplaceable(workload: str, item: Object, nodes: Sequence[Object]) -> Unplaceable | None:
    """Why pods of an object are scheduled nowhere, as far as selectors and taints say; None where they may be, or make no pods."""
    template = template_of(item)
    if template is None or not nodes:
        return None
    pod = template.get("spec") or {}
    selected = [node for node in nodes if selects(node, pod)]
    if not selected:
        return Unplaceable(workload, describe(item))
    repelling = [tuple(untolerated(node, pod, item["kind"])) for node in selected]
    return Unplaceable(workload, describe(item), selected[0]["metadata"]["name"], repelling[0]) if all(repelling) else None


def selects(node: Object, pod: Mapping[str, Any]) -> bool:
    """Whether node name, node selector and required node affinity of a pod's spec mean this node."""
    metadata = node.get("metadata") or {}
    labels, name = metadata.get("labels") or {}, metadata.get("name")
    if pod.get("nodeName") not in {None, "", name}:
        return False
    if any(labels.get(key) != value for key, value in (pod.get("nodeSelector") or {}).items()):
        return False
    affinity = (pod.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    return required is None or any(
        all(_holds(rule, labels) for rule in term.get("matchExpressions") or ())
        and all(_holds(rule, {"metadata.name": name}) for rule in term.get("matchFields") or ())
        for term in required.get("nodeSelectorTerms") or ()
    )


def untolerated(node: Object, pod: Mapping[str, Any], kind: str = "") -> Iterator[str]:
    """Yield `key=value:effect` of each taint that keeps the pod away. `kind`: of its controller."""
    tolerations = pod.get("tolerations") or ()
    given = ALWAYS_TOLERATED | (DAEMONS_TOLERATE if kind == "DaemonSet" else frozenset())
    if _requests_something(pod):
        given |= {(f"{CONDITION}memory-pressure", "NoSchedule")}
    for taint in taints(node):
        key, effect, value = taint["key"], taint["effect"], taint.get("value") or ""
        if effect in REPELS and (key, effect) not in given and not any(_tolerates(each, key, effect, value) for each in tolerations):
            yield f"{key}{f'={value}' if value else ''}:{effect}"


def taints(node: Object) -> list[Object]:
    """Those of the node, and that of a cordoned one, which its controller adds a moment later."""
    spec = node.get("spec") or {}
    listed = [taint for taint in spec.get("taints") or () if taint.get("key") and taint.get("effect")]
    if spec.get("unschedulable") and all(taint["key"] != UNSCHEDULABLE for taint in listed):
        listed.append({"key": UNSCHEDULABLE, "effect": "NoSchedule"})
    return listed


def matches(selector: Mapping[str, Any] | None, labels: Mapping[str, str]) -> bool:
    """Whether a label selector means these labels; a missing one means nothing, an empty one everything."""
    if selector is None:
        return False
    required = (selector.get("matchLabels") or {}).items()
    return all(labels.get(key) == value for key, value in required) and all(
        _holds(rule, labels) for rule in selector.get("matchExpressions") or ()
    )


def _tolerates(toleration: Mapping[str, Any], key: str, effect: str, value: str) -> bool:
    if (toleration.get("effect") or effect) != effect:
        return False
    if not toleration.get("key"):
        return toleration.get("operator") == "Exists"
    exists = toleration.get("operator") == "Exists"
    return bool(toleration["key"] == key and (exists or (toleration.get("value") or "") == value))


def _requests_something(pod: Mapping[str, Any]) -> bool:
    """Whether its quality of service is better than best effort."""
    everything = [pod, *(pod.get("containers") or ()), *(pod.get("initContainers") or ())]
    resources = [each.get("resources") or {} for each in everything]
    return any((each.get("requests") or each.get("limits")) for each in resources)


def _holds(rule: Mapping[str, Any], labels: Mapping[str, Any]) -> bool:
    key, operator = str(rule.get("key")), rule.get("operator")
    values: Sequence[str] = rule.get("values") or ()
    value = labels.get(key)
    if operator == "In":
        return value is not None and value in values
    if operator == "NotIn":
        return value not in values
    if operator in {"Exists", "DoesNotExist"}:
        return (value is not None) is (operator == "Exists")
    if operator in {"Gt", "Lt"} and values and _is_number(value) and _is_number(values[0]):
        return int(str(value)) > int(values[0]) if operator == "Gt" else int(str(value)) < int(values[0])
    return False


def _is_number(text: object) -> bool:
    return str(text).removeprefix("-").isdecimal()
