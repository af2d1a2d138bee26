"""The NetworkPolicy of a rehearsal, and policies of the site that would open what it closes. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from kelvin_provision.cluster.kubernetes.rehearsal.objects import labels
from kelvin_provision.cluster.labels import REHEARSAL
from kelvin_provision.spec.workload import Object

API_VERSION = "networking.k8s.io/v1"


def deny_all(workload: str, home: str, namespace: str) -> Object:
    """Nothing in, nothing out. The kubelet's probes come from the node, which every policy lets in."""
    return {
        "apiVersion": API_VERSION,
        "kind": "NetworkPolicy",
        "metadata": {"name": f"rehearsal.{workload}", "namespace": namespace, "labels": labels(workload, home)},
        "spec": {"podSelector": {"matchLabels": {REHEARSAL: workload}}, "policyTypes": ["Ingress", "Egress"]},
    }


def openings(policies: Iterable[Object], workload: str, home: str) -> Iterator[str]:
    """Policies add up: what one of them allows is allowed."""
    own = labels(workload, home)
    for policy in policies:
        spec, metadata = policy.get("spec") or {}, policy["metadata"]
        allows = spec.get("ingress") or spec.get("egress")
        if allows and REHEARSAL not in (metadata.get("labels") or {}) and selects(spec.get("podSelector") or {}, own):
            yield f"NetworkPolicy {metadata.get('namespace')}/{metadata['name']} applies to every pod there and allows connections"


def selects(selector: Mapping[str, Any], own: Mapping[str, str]) -> bool:
    """Whether a label selector selects these labels. An operator that is not known is taken to do so."""
    if any(own.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    return all(_holds(expression, own) for expression in selector.get("matchExpressions") or ())


def _holds(expression: Mapping[str, Any], own: Mapping[str, str]) -> bool:
    key, values = expression.get("key", ""), expression.get("values") or ()
    match expression.get("operator"):
        case "In":
            return own.get(key) in values
        case "NotIn":
            return own.get(key) not in values
        case "Exists":
            return key in own
        case "DoesNotExist":
            return key not in own
        case _:
            return True
