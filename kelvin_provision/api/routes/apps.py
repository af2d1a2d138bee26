"""The platform's newer routes `/api/v4/apps/workloads/*`: the same workloads in another shape (KELVIN 4)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from kelvin_provision.api.messages.body import content, fields_in, fields_of, parsed_object
from kelvin_provision.api.messages.documents import answer, empty
from kelvin_provision.api.messages.parameters import flag, refuse_unknown
from kelvin_provision.api.messages.refusals import Refusal
from kelvin_provision.api.revisions import revised
from kelvin_provision.api.routes import app_documents
from kelvin_provision.api.routes.listing import APPS, page
from kelvin_provision.api.routes.orders import names_in
from kelvin_provision.api.services import Call
from kelvin_provision.api.work.deploying import Head
from kelvin_provision.context import Context
from kelvin_provision.errors import RequestRefused
from kelvin_provision.queries.workload import WorkloadRequest, workload

CREATE = ("name", "app_name", "app_version", "cluster_name", "title", "node_name", "runtime", "system", "deployment_type")
PATCH = ("title", "app_version", "cluster_name", "node_name", "deployment_type", "runtime", "system", "api_permissions")
BULK = ("app_version", "deployment_type", "runtime", "system", "api_permissions")
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
    fields = _changes(await content(call.request), PATCH)
    await call.require_workload()
    return await _answered(call, Head(call.principal.actor, (call.name,), fields=True), fields, 200)


async def update_all(call: Call) -> Response:
    """A new revision of each with these fields, all or none. `app_name` may only say what they are."""
    refuse_unknown(call.request.query_params.keys(), ())
    fields = _changes(await content(call.request), BULK, ("workload_names", "app_name"))
    names, app = names_in({"workload_names": fields.pop("workload_names", None)}), fields.pop("app_name", None)
    workloads = await call.box.ask(lambda ctx: ctx.ledger.workloads(names))
    others = [workload.name for workload in workloads if app not in {None, workload.shown.spec.app_name}]
    if others:
        raise Refusal(
            "bad-body", f"{', '.join(others)}: of another app than {str(app)[:64]!r}", "a workload keeps its app: create another one"
        )
    await _revised(call, Head(call.principal.actor, names, fields=True), fields)
    return empty(204)


async def add_resources(call: Call) -> Response:
    """Refused with the reason: what a resource stands for is on the platform."""
    refuse_unknown(call.request.query_params.keys(), ())
    parsed_object(await content(call.request))
    await call.require_workload()
    raise Refusal("no-assets", "a box has no assets: a workload here gets no resources")


async def remove_resources(call: Call) -> Response:
    """None of them is here."""
    refuse_unknown(call.request.query_params.keys(), ())
    resources = (await fields_of(call.request, ("resources",))).get("resources")
    if not isinstance(resources, list) or not all(isinstance(resource, str) for resource in resources):
        raise Refusal("bad-body", "resources is not a list of texts", 'send {"resources": ["krn:asset:NAME"]}')
    await call.require_workload()
    return empty(204)


def _changes(body: bytes, accepted: tuple[str, ...], besides: tuple[str, ...] = ()) -> dict[str, Any]:
    """The fields of a revision, of which there is at least one; `besides` are other keys."""
    fields = _fields(body, (*accepted, *besides))
    if not set(fields) - set(besides):
        raise Refusal("bad-body", "the body changes nothing", f"give at least one of {', '.join(accepted)}")
    runtime = fields.pop("runtime", None)
    if runtime is not None:
        fields["configuration"] = runtime.get("configuration") or {}
    return fields


async def _answered(call: Call, head: Head, document: Mapping[str, Any], status: int) -> Response:
    (name,) = await _revised(call, head, document)
    return answer(await call.box.ask(_document, name), status)


async def _revised(call: Call, head: Head, document: Mapping[str, Any]) -> tuple[str, ...]:
    try:
        return await revised(call, head, json.dumps(document).encode())
    except RequestRefused as error:
        raise RequestRefused(str(error), hint=error.hint, evidence=[_in_body(line) for line in error.evidence]) from error


def _in_body(finding: str) -> str:
    for ours, theirs in _PLACES:
        finding = finding.replace(ours, theirs)
    return re.sub(r"\bbody(\.json, document 1)?, ", "", finding, count=1)


def _fields(body: bytes, accepted: tuple[str, ...]) -> dict[str, Any]:
    """What is given of a body; null is absent, as some clients send every key. Raises Refusal."""
    fields = fields_in(body, accepted)
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
