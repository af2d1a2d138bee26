"""Change some fields of a workload: its newest request again, with these fields replaced, deployed as a new revision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from kelvin_provision.context import Context
from kelvin_provision.errors import UsageRefused
from kelvin_provision.spec.manifest_keys import is_modern
from kelvin_provision.spec.read.findings import Document
from kelvin_provision.spec.workload import Spec
from kelvin_provision.usecases.configure import with_configuration, with_hidden
from kelvin_provision.usecases.deploy import DeployRequest, DeployResult, deploy

PLAIN = frozenset({"title", "app_version", "cluster_name", "node_name", "deployment_type"})
"""Fields that a request has under the same name."""


@dataclass(frozen=True)
class ReviseRequest:
    """`fields` are those of `PLAIN`, `configuration` and `system`; each replaces the whole field."""

    name: str
    fields: Mapping[str, Any]


def revise(ctx: Context, request: ReviseRequest) -> DeployResult:
    """Raises WorkloadUnknown, UsageRefused for what cannot be changed so, and what a deploy raises."""
    workload = ctx.ledger.workload(request.name)
    spec = (workload.staged or workload.shown).spec
    documents = (Document("body", 0, document_of(spec, request.fields)),)
    return deploy(_with_registry_of(spec, ctx), DeployRequest(documents, allow_latest=True))


def _with_registry_of(spec: Spec, ctx: Context) -> Context:
    """The registry that the image was pulled from, whatever the setting says by now."""
    suffix = f"/{spec.app_name}:{spec.app_version}"
    if not spec.image.endswith(suffix):
        return ctx
    return replace(ctx, settings=replace(ctx.settings, registry=spec.image.removesuffix(suffix)))


def document_of(spec: Spec, fields: Mapping[str, Any]) -> dict[str, Any]:
    """The request that this spec was made from, with other fields. Raises UsageRefused."""
    if spec.manifests:
        raise UsageRefused(f"{spec.name} is made of plain objects, which are changed as a whole", hint="deploy the changed objects")
    payload = dict(spec.payload)
    if fields.get("app_version", spec.app_version) != spec.app_version:
        payload = _with_version(spec, payload, fields["app_version"])
    if "configuration" in fields:
        payload = with_configuration(payload, with_hidden(fields["configuration"], spec.configuration))
    if "system" in fields:
        payload = _with_system(payload, fields["system"])
    document = {
        "name": spec.name,
        "title": spec.title,
        "app_name": spec.app_name,
        "app_version": spec.app_version,
        "cluster_name": spec.cluster_name,
        "node_name": spec.node_name,
        "deployment_type": spec.method.value,
        "source": spec.source,
        "images": list(spec.images) or None,
        "payload": payload,
    }
    return document | {name: value for name, value in fields.items() if name in PLAIN}


def _with_version(spec: Spec, payload: dict[str, Any], version: str) -> dict[str, Any]:
    if payload.get("image"):
        text = f"{spec.name} names its image itself, so that another app_version has no image"
        raise UsageRefused(text, hint="deploy the app manifest of that version")
    if is_modern(payload):
        return payload | {"version": version} if "version" in payload else payload
    return payload | {"info": {**payload["info"], "version": version}} if payload.get("info") else payload


def _with_system(payload: dict[str, Any], system: Any) -> dict[str, Any]:
    hidden = with_hidden(system, system_in(payload))
    if is_modern(payload):
        return payload | {"defaults": {**(payload.get("defaults") or {}), "system": hidden}}
    return payload | {"system": hidden}


def system_in(payload: Mapping[str, Any]) -> Any:
    """The `system` block of an app manifest of either generation."""
    block = (payload.get("defaults") or {}) if is_modern(payload) else payload
    return (block.get("system") if isinstance(block, Mapping) else None) or {}
