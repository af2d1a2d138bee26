"""The platform's newer routes `/api/v4/apps/workloads/*`: the same workloads in another shape (KELVIN 4)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from kelvin_provision.api.messages.body import content, object_with, parsed_object
from kelvin_provision.api.messages.documents import answer
from kelvin_provision.api.messages.parameters import flag, refuse_unknown
from kelvin_provision.api.messages.refusals import Refusal
from kelvin_provision.api.routes import app_documents
from kelvin_provision.api.routes.listing import APPS, page
from kelvin_provision.api.routes.revisions import revised
from kelvin_provision.api.services import Call
from kelvin_provision.api.work.deploying import Head
from kelvin_provision.context import Context
from kelvin_provision.errors import RequestRefused
from kelvin_provision.queries.workload import WorkloadRequest, workload

CREATE = ("name", "app_name", "app_version", "cluster_name", "title", "node_name", "runtime", "system", "deployment_type")
PATCH = ("title", "app_version", "cluster_name", "node_name", "deployment_type", "runtime", "system")
REQUIRED = ("name", "app_name", "app_version", "cluster_name")
_PLACES = (
    ("payload.defaults.system", "system"),
    ("payload.defaults.configuration", "runtime.configuration"),
    ("payload.version", "app_version"),
)
"""Where a finding of the request that is made of a body stands in the body."""


async def listed(call: Call) -> Response:
    return await page(call, APPS)


async def get(call: Call) -> Response:
    refuse_unknown(call.request.query_params.keys(), ())
    return answer(await call.box.ask(_document, call.name))


def _document(ctx: Context, name: str) -> dict[str, Any]:
    return app_documents.workload(workload(ctx, WorkloadRequest(name)))


async def create(call: Call) -> Response:
    """A deploy in the newer shape. A workload that exists is replaced, as by the older route."""
    query = call.request.query_params
    refuse_unknown(query.keys(), ("stopped",))
    fields = _fields(await content(call.request), (*CREATE, "api_permissions", "enabled"))
    if flag(query, "stopped") or fields.pop("enabled", True) is not True:
        raise Refusal("bad-body", "a workload on a box is created to run", "deploy it as staged-only, and apply it later")
    missing = [name for name in REQUIRED if name not in fields]
    if missing:
        raise Refusal(
            "bad-body", f"required field is missing: {', '.join(missing)}", "give all of name, app_name, app_version, cluster_name"
        )
    return await _answered(call, Head(call.principal.actor), app_documents.request(fields), 201)


async def patch(call: Call) -> Response:
    """A new revision with these fields; each that is given replaces the whole field."""
    refuse_unknown(call.request.query_params.keys(), ())
    fields = _fields(await content(call.request), PATCH)
    if not fields:
        raise Refusal("bad-body", "the body changes nothing", f"give at least one of {', '.join(PATCH)}")
    runtime = fields.pop("runtime", None)
    if runtime is not None:
        fields["configuration"] = runtime.get("configuration") or {}
    await call.box.ask(lambda ctx: ctx.ledger.workload(call.name))
    return await _answered(call, Head(call.principal.actor, call.name, fields=True), fields, 200)


async def _answered(call: Call, head: Head, document: Mapping[str, Any], status: int) -> Response:
    try:
        name = await revised(call, head, json.dumps(document).encode())
    except RequestRefused as error:
        raise RequestRefused(str(error), hint=error.hint, evidence=[_in_body(line) for line in error.evidence]) from error
    return answer(await call.box.ask(_document, name), status)


def _in_body(finding: str) -> str:
    for ours, theirs in _PLACES:
        finding = finding.replace(ours, theirs)
    return finding.replace("body.json, document 1, ", "")


def _fields(body: bytes, accepted: tuple[str, ...]) -> dict[str, Any]:
    """What is given of a body; null is absent, as some clients send every key. Raises Refusal."""
    fields = object_with(parsed_object(body), accepted)
    runtime = fields.get("runtime", {})
    if not isinstance(runtime, dict):
        raise Refusal("bad-body", "runtime is not an object")
    unused = [name for name, value in runtime.items() if name != "configuration" and value]
    if unused:
        raise Refusal(
            "bad-body", f"runtime.{unused[0]} cannot be used: a box has no assets", "leave it empty, or create it on the platform"
        )
    configuration = runtime.get("configuration")
    if configuration is not None and not isinstance(configuration, dict):
        raise Refusal("bad-body", "runtime.configuration is not an object")
    return fields
