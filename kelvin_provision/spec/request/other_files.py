"""Files of the wrong kind, recognised by their keys: what each is and what to do with it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

_KUSTOMIZATION_KEYS = frozenset(
    {"bases", "configMapGenerator", "namePrefix", "patches", "patchesStrategicMerge", "resources", "secretGenerator"}
)
_APP_KEYS = frozenset({"spec_version", "app", "system", "defaults", "info"})
_REQUEST_KEYS = frozenset({"app_name", "app_version", "payload", "manifests", "staged", "instantly_apply"})


def in_place_of_an_object(value: dict[str, Any]) -> str:
    """What this is, if it is no Kubernetes object; empty otherwise."""
    return next((what for what, is_it in _NO_OBJECTS if is_it(value)), "")


def in_place_of_a_request(value: dict[str, Any]) -> str:
    """What this is, if it is no request; empty otherwise."""
    if isinstance(value.get("kind"), str) and "apiVersion" in value:
        return in_place_of_an_object(value) or "these are Kubernetes objects; give them as manifests (--manifest)"
    if isinstance(value.get("services"), dict) and _REQUEST_KEYS.isdisjoint(value):
        return _COMPOSE
    if "spec_version" in value and _REQUEST_KEYS.isdisjoint(value):
        return "this is an app manifest; give it as the payload (--payload)"
    return ""


def in_place_of_a_payload(value: dict[str, Any]) -> str:
    """What this is, if it is no manifest of an app; empty otherwise."""
    if isinstance(value.get("kind"), str) and "apiVersion" in value:
        return in_place_of_an_object(value) or "these are Kubernetes objects; give them as manifests (--manifest)"
    return _COMPOSE if isinstance(value.get("services"), dict) and _APP_KEYS.isdisjoint(value) else ""


def _is_kustomization(value: dict[str, Any]) -> bool:
    if "kind" in value:
        return value["kind"] == "Kustomization" and str(value.get("apiVersion")).startswith("kustomize.config.k8s.io/")
    return "apiVersion" not in value and not _KUSTOMIZATION_KEYS.isdisjoint(value)


def _is_compose(value: dict[str, Any]) -> bool:
    return "kind" not in value and isinstance(value.get("services"), dict)


def _has_any(keys: frozenset[str]) -> Callable[[dict[str, Any]], bool]:
    return lambda value: value.keys().isdisjoint({"kind", "apiVersion"}) and not keys.isdisjoint(value)


_COMPOSE = "this is a Compose file; write a request for each of its services, or convert it into Kubernetes objects (`kompose convert`)"
_KUSTOMIZATION = "this is a kustomization; give the output of `kubectl kustomize` for its folder"
_CHART = "this is the Chart.yaml of a Helm chart; give the output of `helm template`"
_NO_OBJECTS: Sequence[tuple[str, Callable[[dict[str, Any]], bool]]] = (
    (
        "this is a kubeconfig; set cluster.kubeconfig to its path",
        lambda value: value.get("kind") == "Config" and "contexts" in value,
    ),
    (_COMPOSE, _is_compose),
    (_CHART, lambda value: "kind" not in value and value.keys() >= {"apiVersion", "name", "version"}),
    ("this is a request; give it in a file of its own (-f), not as Kubernetes objects", _has_any(_REQUEST_KEYS)),
    ("this is an app manifest; give it as the payload (--payload)", _has_any(_APP_KEYS)),
    (_KUSTOMIZATION, _is_kustomization),
)
