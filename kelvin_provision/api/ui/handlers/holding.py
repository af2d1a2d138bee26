"""Hold and release, from the page of a workload: nothing of it is applied until it is released."""

from __future__ import annotations

from starlette.responses import Response

from kelvin_provision.api.messages.refusals import Refusal
from kelvin_provision.api.routes.edge import LONGEST_REASON
from kelvin_provision.api.services import Call
from kelvin_provision.api.ui.forms import form_of
from kelvin_provision.api.ui.rendering import see_other
from kelvin_provision.usecases import hold as holding


async def hold(call: Call) -> Response:
    reason = (await form_of(call, ("reason",)))["reason"]
    if len(reason) > LONGEST_REASON:
        raise Refusal("bad-body", f"a reason may have {LONGEST_REASON} characters", "write a shorter one")
    await call.box.act(call.principal.actor, holding.hold, [call.name], reason)
    return see_other(f"/ui/workloads/{call.name}")


async def release(call: Call) -> Response:
    await form_of(call, ())
    await call.box.act(call.principal.actor, holding.release, [call.name])
    return see_other(f"/ui/workloads/{call.name}")
