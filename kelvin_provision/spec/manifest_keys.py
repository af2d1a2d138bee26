"""The keys and types of app manifests, and what becomes of each on a box; what the platform alone uses is kept and has no effect here.

From the platform's published models: app.yaml of every type, the manifest of the app registry, and the legacy app.yaml. The shapes of
`spec.request` read these keys and no others; a test compares them. Knows no pydantic.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, NamedTuple


class Effect(StrEnum):
    """What this box does with a key or a type."""

    USED = "used"
    KEPT = "kept"
    REFUSED = "refused"


class Key(NamedTuple):
    """`meaning`: what it is used for, or what it is to the platform, or what to write instead."""

    effect: Effect
    meaning: str


def _used(meaning: str) -> Key:
    return Key(Effect.USED, meaning)


def _kept(meaning: str) -> Key:
    return Key(Effect.KEPT, meaning)


_CONTAINER = "runs as a container"
TYPES: Mapping[str, Key] = {
    "app": _used(f"{_CONTAINER}: a SmartApp"),
    "bridge": _used(f"{_CONTAINER}: a legacy connection"),
    "docker": _used(_CONTAINER),
    "exporter": _used(f"{_CONTAINER}: a connection that writes"),
    "importer": _used(f"{_CONTAINER}: a connection that reads"),
    "kelvin": _used(f"{_CONTAINER}: a legacy app"),
    "kelvin_legacy": _used(f"{_CONTAINER}: a legacy app"),
    "legacy_docker": _used(f"{_CONTAINER}: a legacy app"),
    "task": Key(Effect.REFUSED, "a task runs once; give a Kubernetes Job as manifests instead"),
}

MODERN: Mapping[str, Key] = {
    "spec_version": _used("generation of the manifest: these keys are for 5 and newer, and for manifests with a `type` at the top"),
    "type": _used("one of the types above"),
    "name": _used("name of the app, if the request has no `app_name`"),
    "title": _used("title of the workload, if the request has none"),
    "version": _used("version of the app, if the request has no `app_version`"),
    "image": _used("`uri` is the image; by default `<registry>/<name>:<version>`"),
    "defaults": _used("see below"),
    "description": _kept("text for users"),
    "category": _kept("where the app catalogue shows it"),
    "flags": _kept("what the platform may change while the app runs"),
    "data_streams": _kept("inputs and outputs of a SmartApp"),
    "control_changes": _kept("control changes of a SmartApp"),
    "parameters": _kept("parameters of its assets"),
    "data_tags": _kept("data tags that it reads and writes"),
    "recommendations": _kept("recommendations that it makes"),
    "custom_actions": _kept("actions that it offers and requests"),
    "data_quality": _kept("data quality that it reads and writes"),
    "importer_io": _kept("what an importer reads"),
    "exporter_io": _kept("what an exporter writes"),
    "io": _kept("inputs and outputs, as stored in the app registry"),
    "dynamic_io": _kept("inputs and outputs of a connection, as stored in the app registry"),
    "ui_schemas": _kept("forms of the platform's web pages, as files"),
    "schemas": _kept("forms of the platform's web pages, as stored in the app registry"),
    "api_permissions": _kept("which platform APIs it may call"),
    "environment": _kept("where the platform runs it; here, use `node_name` and `name` of the request"),
    "created_at": _kept("bookkeeping of the app registry"),
    "created_by": _kept("bookkeeping of the app registry"),
    "updated_at": _kept("bookkeeping of the app registry"),
    "updated_by": _kept("bookkeeping of the app registry"),
}
"""On top of app.yaml from spec_version 5 on."""

MODERN_REFUSED: Mapping[str, Key] = {
    "system": Key(Effect.REFUSED, "use `defaults.system`"),
    "app": Key(Effect.REFUSED, "use `type` at the top and `defaults.configuration`"),
}

DEFAULTS: Mapping[str, Key] = {
    "system": _used("see below"),
    "configuration": _used("becomes `config.yaml` of the container"),
    "app": _used("`configuration` becomes `config.yaml` of the container, unless `defaults.configuration` is given"),
    "deployment": _used("`deployment_type` is the method, if the request has none"),
    "api_permissions": _kept("which platform APIs it may call"),
    "parameters": _kept("values of parameters"),
    "datastream_mapping": _kept("which data streams its inputs and outputs map to"),
    "custom_actions": _kept("actions that it offers and requests"),
    "resources": _kept("assets that it works on"),
}

LEGACY: Mapping[str, Key] = {
    "spec_version": _used("below 5"),
    "info": _used("`name`, `title` and `version`, if the request has none"),
    "app": _used("`type`; `configuration` in the block of that name becomes `config.yaml` of the container"),
    "system": _used("see below"),
    "image": _used("`uri` is the image; by default `<registry>/<name>:<version>`"),
    "environment": _kept("where the platform runs it; here, use `node_name` and `name` of the request"),
    "inputs": _kept("inputs of the app"),
    "outputs": _kept("outputs of the app"),
}

SYSTEM: Mapping[str, Key] = {
    "resources": _used("`requests` and `limits` of CPU and memory; on Docker, requests become a CPU weight and a memory reservation"),
    "privileged": _used("gives the container access to all devices of the box"),
    "environment_vars": _used("environment variables; a value that is not text is written as JSON"),
    "ports": _used(
        "`host`: a port of the box. `service`: a port for other workloads, with `exposed_port` also a port of the box;"
        " on Docker, `port` must equal `container_port`, and `exposed` needs `exposed_port`"
    ),
    "volumes": _used("`text`, `secret`, `host` and `persistent`; a target that does not begin with `/` is below the root of the container"),
    "health_check": _used(
        "`readiness_probe` decides when a version counts as up, `liveness_probe` when its container is restarted"
        " (on Docker: only during an apply)"
    ),
    "metrics": _used("annotations for Prometheus; labels on Docker"),
}
"""Of both generations: `defaults.system`, or `system` of a legacy manifest."""


def is_modern(manifest: Mapping[str, Any]) -> bool:
    """Whether a manifest is of the generation from spec_version 5 on."""
    if "type" in manifest or "defaults" in manifest:
        return True
    number = str(manifest.get("spec_version") or "").partition(".")[0]
    if number.isdecimal():
        return int(number) >= 5
    return not manifest.keys() & {"app", "info", "system"} and bool((manifest.keys() - LEGACY.keys()) & MODERN.keys())


def without_effect(manifest: Mapping[str, Any]) -> tuple[str, ...]:
    """The keys of a manifest that are kept and do nothing on a box, those of `defaults` included."""
    given = {key: value for key, value in manifest.items() if value is not None}
    keys, defaults = (MODERN, given.get("defaults")) if is_modern(given) else (LEGACY, None)
    below = _kept_of(defaults, DEFAULTS) if isinstance(defaults, dict) else []
    return (*_kept_of(given, keys), *(f"defaults.{key}" for key in below))


def _kept_of(given: Mapping[str, Any], keys: Mapping[str, Key]) -> list[str]:
    return [key for key, value in given.items() if value is not None and key in keys and keys[key].effect is Effect.KEPT]
