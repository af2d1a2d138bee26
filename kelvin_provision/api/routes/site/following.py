"""Publications that this box follows, `/edge/v1/following`."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from kelvin_provision.api.messages.body import fields_of
from kelvin_provision.api.messages.documents import answer, error_of
from kelvin_provision.api.messages.parameters import refuse_unknown
from kelvin_provision.api.messages.refusals import Refusal
from kelvin_provision.api.services import Call
from kelvin_provision.api.work.asking import result_of_job
from kelvin_provision.context import Context
from kelvin_provision.errors.documents import from_document
from kelvin_provision.following.boxkey import known
from kelvin_provision.following.overview import overview, report_overview

LOOK = 300.0
"""Seconds that a look at all publications may take."""


async def listed(call: Call) -> Response:
    """What is followed, and what became of each workload of it."""
    refuse_unknown(call.request.query_params.keys(), ())
    return answer(await call.box.ask(_listed))


def _listed(ctx: Context) -> dict[str, Any]:
    follow, report = ctx.settings.follow, report_overview(ctx)
    rules = {"apply": follow.apply, "interval": int(follow.interval), "prune": follow.prune, "report": report and report.to_json()}
    key = known(ctx.settings.state_dir)
    own = {"name": ctx.box_name, "labels": list(ctx.settings.labels), "key": key and key.key_id, "pem": key and key.pem.decode()}
    return {"box": own, **rules, "publications": [each.to_json() for each in overview(ctx)]}


async def report(call: Call) -> Response:
    """As `follow send`, by the agent in a process of its own."""
    refuse_unknown(call.request.query_params.keys(), ())
    await fields_of(call.request, ())
    return answer(await result_of_job(call.box, "report", {}, LOOK))


async def look(call: Call) -> Response:
    """As `follow now`: the agent looks in a process of its own, and the answer has what became of each publication."""
    refuse_unknown(call.request.query_params.keys(), ())
    names = (await fields_of(call.request, ("publications",))).get("publications", [])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise Refusal("bad-body", "publications is not a list of texts")
    results = await result_of_job(call.box, "follow", {"publications": names}, LOOK)
    return answer(
        {"publications": [result | {"error": result["error"] and error_of(from_document(result["error"]))} for result in results]}
    )
