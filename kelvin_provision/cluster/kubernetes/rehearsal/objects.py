"""From the objects of a revision to those of its rehearsal. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from kelvin_provision.cluster.kubernetes.rehearsal import pods, volumes
from kelvin_provision.cluster.kubernetes.render.objects import namespace_of, short, template_of
from kelvin_provision.cluster.labels import MANAGER, REHEARSAL, REHEARSAL_HOME
from kelvin_provision.cluster.plan import describe
from kelvin_provision.cluster.rehearsal import RehearsalTerms
from kelvin_provision.spec.workload import Object

REHEARSED = frozenset({"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "Pod"})
COPIED = frozenset({"ConfigMap", "Secret"})
_NAME_LENGTH = 30
_SCRAPED = "prometheus.io/"


@dataclass(frozen=True)
class Places:
    """`of`: the namespace of the rehearsal in place of one that does not exist yet. `claims`: namespace and name of each that exists."""

    home: str
    of: Mapping[str, str] = field(default_factory=dict)
    claims: Collection[tuple[str, str]] = frozenset()


@dataclass(frozen=True)
class RehearsalSet:
    """`support` are ConfigMaps and Secrets, with secrets as references. `emptied` names volumes with data that are empty here."""

    namespaces: tuple[Object, ...] = ()
    support: tuple[Object, ...] = ()
    pods: tuple[Object, ...] = ()
    emptied: tuple[str, ...] = ()
    obstacles: tuple[str, ...] = field(default=())
    finite: frozenset[str] = frozenset()
    """Names of the pods that are to end: those of Jobs."""


def rehearsal_set(workload: str, objects: Sequence[Object], terms: RehearsalTerms, places: Places) -> RehearsalSet:
    """Each template once. Custom resources, and Jobs without `terms.jobs`, have no part in it."""
    chosen = [item for item in objects if item.get("kind") in REHEARSED or (terms.jobs and item.get("kind") == "Job")]
    templates = [(item, (template_of(item) or {}).get("spec") or {}) for item in chosen]
    obstacles = [
        f"{describe(item)}: {text}"
        for item, spec in templates
        for text in (*pods.obstacles(spec), *volumes.obstacles(spec, real=terms.real_volumes))
    ]
    if not templates:
        obstacles = ["none of its objects is a Deployment, StatefulSet or DaemonSet; the others are tried in the dry run only"]
    own = {(item["kind"], namespace_of(item) or places.home, item["metadata"]["name"]) for item in objects if item.get("kind") in COPIED}
    made, emptied = [], list[str]()
    for item, _ in templates:
        pod, empty = _pod(workload, item, terms, places, own)
        made.append(pod)
        emptied += empty
    return RehearsalSet(
        namespaces=tuple(_labelled(labels(workload, places.home), "Namespace", name) for name in sorted(set(places.of.values()))),
        support=tuple(_support(workload, objects, templates, places, own)),
        pods=tuple(made),
        emptied=tuple(dict.fromkeys(emptied)),
        obstacles=tuple(dict.fromkeys(obstacles)),
        finite=frozenset(pod["metadata"]["name"] for (item, _), pod in zip(templates, made, strict=True) if item["kind"] == "Job"),
    )


def labels(workload: str, home: str) -> dict[str, str]:
    """No others: no Service and no policy of the site is to select what has them."""
    return {REHEARSAL: workload, REHEARSAL_HOME: home, "app.kubernetes.io/managed-by": MANAGER}


def copy_name(workload: str, name: str) -> str:
    return f"rehearsal.{workload}.{name}"


Own = Collection[tuple[str, str, str]]


def _pod(workload: str, item: Object, terms: RehearsalTerms, places: Places, own: Own) -> tuple[Object, tuple[str, ...]]:
    template = template_of(item) or {}
    spec = template.get("spec") or {}
    namespace = namespace_of(item) or places.home

    def rename(kind: str, name: str) -> str:
        return copy_name(workload, name) if (kind, namespace, name) in own else name

    claims = {name for place, name in places.claims if place == namespace}
    cut_off = pods.pod_spec(volumes.with_claims(item, spec), terms, rename)
    cut_off, emptied = volumes.replaced(cut_off, claims, real=terms.real_volumes)
    name = item["metadata"]["name"]
    pod_name = f"{name[:_NAME_LENGTH].rstrip('-.').replace('.', '-')}-rehearsal-{short([item['kind'], namespace, name])}"
    pod = _labelled(labels(workload, places.home), "Pod", pod_name, places.of.get(namespace, namespace))
    notes = (template.get("metadata") or {}).get("annotations") or {}
    if kept := {key: value for key, value in notes.items() if not key.startswith(_SCRAPED)}:
        pod["metadata"]["annotations"] = kept
    return pod | {"spec": cut_off}, emptied


def _support(
    workload: str, objects: Sequence[Object], templates: Sequence[tuple[Object, Object]], places: Places, own: Own
) -> Iterator[Object]:
    """Copies of the ConfigMaps and Secrets that its pods refer to, under names of their own: the running version has its own ones."""
    needed = {(kind, namespace_of(item) or places.home, name) for item, spec in templates for kind, name in pods.referenced(spec)} & set(
        own
    )
    for item in objects:
        namespace, name = namespace_of(item) or places.home, (item.get("metadata") or {}).get("name", "")
        if (item.get("kind"), namespace, name) in needed:
            copy = _labelled(labels(workload, places.home), item["kind"], copy_name(workload, name), places.of.get(namespace, namespace))
            yield {key: value for key, value in item.items() if key not in {"metadata", "status"}} | copy


def _labelled(own: dict[str, str], kind: str, name: str, namespace: str = "") -> Object:
    metadata: Object = {"name": name, "labels": own} | ({"namespace": namespace} if namespace else {})
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata}
