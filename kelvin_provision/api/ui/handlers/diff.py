"""What an activation would change, in full: from the agent, with secrets masked."""

from __future__ import annotations

from starlette.responses import Response

from kelvin_provision.api.messages.parameters import refuse_unknown
from kelvin_provision.api.services import Call
from kelvin_provision.api.ui.handlers.assessing import DOWNTIME, forbidden
from kelvin_provision.api.ui.rendering import page
from kelvin_provision.api.work.asking import asked


async def shown(call: Call) -> Response:
    refuse_unknown(call.request.query_params.keys(), ())
    await call.require_workload()
    diff = await asked(call.box, "diff", {"names": [call.name]})
    (change,) = diff["workloads"]
    values = {"downtime": DOWNTIME, "forbidden": forbidden(diff), "warnings": diff["warnings"]}
    return page(call, "diff.html", name=call.name, change=change, **values)
