"""Change the configuration of an app: a new revision by the method of the one that it is made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from kelvin_provision.context import Context
from kelvin_provision.errors import UsageRefused
from kelvin_provision.masking.documents import mask_document
from kelvin_provision.nodes.where.site import members
from kelvin_provision.settings import secrets
from kelvin_provision.spec.manifest_keys import is_modern
from kelvin_provision.spec.read.findings import Document, Findings, refuse_all
from kelvin_provision.spec.request.app_manifest import BLOCKS
from kelvin_provision.spec.request.rules import check_references
from kelvin_provision.usecases.deploy import DeployResult, refuse_unsupported, store
from kelvin_provision.usecases.waking import wake

HIDDEN = "***"
"""What stands for a secret where a configuration is shown."""


@dataclass(frozen=True)
class ConfigureRequest:
    """`configuration` replaces the whole one; empty, it removes it."""

    name: str
    configuration: Mapping[str, Any]


def configure(ctx: Context, request: ConfigureRequest) -> DeployResult:
    """The newest revision with another configuration; the image and everything else stay as they are.

    Raises WorkloadUnknown, UsageRefused for a workload of plain objects, RequestRefused, SecretMissing, AgentSilent.
    """
    workload = ctx.ledger.workload(request.name)
    spec = (workload.staged or workload.shown).spec
    if spec.manifests:
        raise UsageRefused(f"{request.name} is made of plain objects: it has no configuration", hint="deploy the changed objects")
    configuration = with_hidden(request.configuration, spec.configuration)
    _refuse_invalid(ctx, configuration)
    changed = replace(spec, configuration=configuration, payload=with_configuration(spec.payload, configuration))
    refuse_unsupported(ctx.cluster, [changed], members(ctx))
    revisions, cancelled = store(ctx, [changed])
    return DeployResult(revisions, (*cancelled, *wake(ctx)))


def with_hidden(given: Any, stored: Any) -> Any:
    """What came back as it was shown means what is stored: a client that reads, changes and writes has `***` for each secret."""
    return _restored(given, mask_document(stored), stored)


def _restored(given: Any, shown: Any, stored: Any) -> Any:
    if given == shown:
        return stored
    if isinstance(given, Mapping):
        shown, stored = (value if isinstance(value, Mapping) else {} for value in (shown, stored))
        return {key: _restored(value, shown.get(key), stored.get(key)) for key, value in given.items()}
    if isinstance(given, list) and isinstance(shown, list) and len(given) == len(shown):
        return [_restored(*values) for values in zip(given, shown, stored, strict=True)]
    return given


def _refuse_invalid(ctx: Context, configuration: Any) -> None:
    findings, folder = Findings(Document("body", 0, configuration)), ctx.settings.secrets_dir
    check_references(configuration, lambda name: secrets.has(folder, name), findings, ("configuration",))
    _find_hidden(configuration, ("configuration",), findings)
    refuse_all([findings], str(folder))


def _find_hidden(value: Any, path: tuple[str | int, ...], findings: Findings) -> None:
    if isinstance(value, str) and HIDDEN in value:
        findings.add(path, f"{HIDDEN} stands for a hidden value of another place; give the value, or refer to it as <% secrets.NAME %>")
    parts = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        _find_hidden(part, (*path, key), findings)


def with_configuration(payload: dict[str, Any], configuration: Any) -> dict[str, Any]:
    """The app manifest with the configuration in the place where its generation has it."""
    if not is_modern(payload):
        app = payload.get("app") or {}
        kind = app.get("type") or "docker"
        name = BLOCKS.get(kind, kind)
        return payload | {"app": {**app, "type": kind, name: {**(app.get(name) or {}), "configuration": configuration}}}
    defaults = dict(payload.get("defaults") or {})
    if isinstance(inner := defaults.get("app"), Mapping):  # it would count where the other one is empty
        defaults["app"] = {key: value for key, value in inner.items() if key != "configuration"}
    return payload | {"defaults": {**defaults, "configuration": configuration}}
