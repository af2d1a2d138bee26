"""Workloads and requests in the shape of the platform's newer routes (KELVIN 4)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from kelvin_provision.queries.items import StagedItem, WorkloadItem
from kelvin_provision.queries.workload import WorkloadResult
from kelvin_provision.spec.enums import Method
from kelvin_provision.spec.manifest_keys import is_modern


def item(shown: WorkloadItem) -> dict[str, Any]:
    """An element of the list."""
    return _common(shown) | {"staged": _staged(shown.staged) if shown.staged else None}


def workload(shown: WorkloadResult) -> dict[str, Any]:
    """One workload, with its runtime and its system, without secrets."""
    document = _common(shown.item) | _manifest(shown.payload) | {"staged": None}
    if shown.item.staged:
        document["staged"] = _staged(shown.item.staged) | _manifest(shown.staged_payload or {})
    return document | {"api_permissions": shown.payload.get("api_permissions") or [], "service_account_status": None}


def _common(shown: WorkloadItem) -> dict[str, Any]:
    return {
        "name": shown.name,
        "title": shown.title,
        "app_name": shown.app_name,
        "app_version": shown.app_version,
        "app_type": shown.app_type,
        "cluster_name": shown.cluster_name,
        "node_name": shown.node_name,
        "enabled": True,  # it was sent to the box, which is what newer clients mean
        "download_status": shown.download_status,
        "download_error": shown.download_error,
        "status": shown.to_json()["status"],
        "created_at": shown.created,
        "created_by": None,
        "updated_at": shown.updated,
        "updated_by": None,
    }


def _staged(staged: StagedItem) -> dict[str, Any]:
    document = staged.to_json()
    method = Method.INSTANT if staged.instantly_apply else Method.STAGED
    return {"ready": document["ready"], "app_version": staged.app_version, "deployment_type": method.value, "status": document["status"]}


def _manifest(payload: Mapping[str, Any]) -> dict[str, Any]:
    """`runtime` and `system` of an app manifest of either generation."""
    runtime = {"configuration": _configuration(payload), "custom_actions": [], "resources": []}
    block = payload.get("defaults") if is_modern(payload) else payload
    system = (block.get("system") if isinstance(block, Mapping) else None) or {}
    return {"runtime": runtime, "system": _with_texts(system)}


def _configuration(payload: Mapping[str, Any]) -> Any:
    app = payload.get("app") or {}
    if not is_modern(payload):
        return (app.get(str(app.get("type"))) or {}).get("configuration") or {}
    defaults = payload.get("defaults") or {}
    return defaults.get("configuration") or (defaults.get("app") or {}).get("configuration") or {}


def _with_texts(system: Mapping[str, Any]) -> Mapping[str, Any]:
    """Values of variables as text, which is what a container gets and what clients accept."""
    variables = system.get("environment_vars")
    if not isinstance(variables, list):
        return system
    return {**system, "environment_vars": [{**variable, "value": _text(variable.get("value"))} for variable in variables]}


def _text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value)


def request(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The request that a body of `create` is."""
    defaults = {"system": fields.get("system"), "configuration": (fields.get("runtime") or {}).get("configuration")}
    payload = {
        "spec_version": "5.0.0",
        "type": "docker",
        "name": fields["app_name"],
        "version": fields["app_version"],
        "defaults": {name: value for name, value in defaults.items() if value is not None},
        "api_permissions": fields.get("api_permissions"),
    }
    plain = {name: value for name, value in fields.items() if name not in {"system", "runtime", "api_permissions"}}
    return plain | {"payload": {name: value for name, value in payload.items() if value is not None}}
