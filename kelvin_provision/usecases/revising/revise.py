"""Change some fields of workloads: their newest requests again, with these fields replaced, deployed as new revisions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from kelvin_provision.context import Context
from kelvin_provision.errors import RequestRefused, UsageRefused
from kelvin_provision.settings.model import Settings
from kelvin_provision.spec.manifest_keys import is_modern
from kelvin_provision.spec.read.findings import Document
from kelvin_provision.spec.request.accept import Accepted
from kelvin_provision.spec.workload import Spec
from kelvin_provision.usecases.deploy import DeployRequest, DeployResult, accepted, deploy_accepted
from kelvin_provision.usecases.revising.configure import with_configuration, with_hidden

PLAIN = frozenset({"title", "app_version", "cluster_name", "node_name", "deployment_type"})
"""Fields that a request has under the same name."""


@dataclass(frozen=True)
class ReviseRequest:
    """`fields` are those of `PLAIN`, `configuration`, `system` and `api_permissions`; each replaces the whole field."""

    name: str
    fields: Mapping[str, Any]


def revise(ctx: Context, request: ReviseRequest) -> DeployResult:
    """Raises WorkloadUnknown, UsageRefused for what cannot be changed so, and what a deploy raises."""
    return revise_all(ctx, [request])


def revise_all(ctx: Context, requests: Sequence[ReviseRequest]) -> DeployResult:
    """All of them or none; of several, each finding begins with the name of its workload. Raises as `revise`."""
    specs = {
        workload.name: (workload.staged or workload.shown).spec for workload in ctx.ledger.workloads([request.name for request in requests])
    }
    return deploy_accepted(ctx, [_accepted(ctx, specs[request.name], request, several=len(requests) > 1) for request in requests])


def _accepted(ctx: Context, spec: Spec, request: ReviseRequest, *, several: bool) -> Accepted:
    documents = (Document("body", 0, document_of(spec, request.fields)),)
    try:
        return accepted(_with_registry_of(spec, ctx.settings), DeployRequest(documents, allow_latest=True))
    except RequestRefused as error:
        evidence = [f"{spec.name}: {line}" if several else line for line in error.evidence]
        raise RequestRefused(str(error), hint=error.hint, evidence=evidence) from error


def _with_registry_of(spec: Spec, settings: Settings) -> Settings:
    """The registry that the image was pulled from, whatever the setting says by now."""
    suffix = f"/{spec.app_name}:{spec.app_version}"
    return replace(settings, registry=spec.image.removesuffix(suffix)) if spec.image.endswith(suffix) else settings


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
    if "api_permissions" in fields:
        payload = payload | {"api_permissions": fields["api_permissions"]}
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
