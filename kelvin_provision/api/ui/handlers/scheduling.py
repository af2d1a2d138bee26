"""When a workload is activated: at a time of the box, which can be cancelled, and not at all while it is held."""

from __future__ import annotations

from starlette.responses import Response

from kelvin_provision import local_times
from kelvin_provision.api.messages.refusals import Refusal
from kelvin_provision.api.routes.edge import LONGEST_REASON
from kelvin_provision.api.services import Call
from kelvin_provision.api.ui.forms import Form, form_of
from kelvin_provision.api.ui.rendering import see_other
from kelvin_provision.context import Context
from kelvin_provision.errors import NothingStaged
from kelvin_provision.ledger.model.orders import Order
from kelvin_provision.usecases import hold as holding
from kelvin_provision.usecases import schedule as scheduling
from kelvin_provision.usecases.schedule import ScheduleRequest


async def schedule(call: Call) -> Response:
    form = await form_of(call, ("targets", "at"))
    order = await call.box.act(call.principal.actor, _schedule, form)
    return see_other(f"/ui/operations/{order.id}")


def _schedule(ctx: Context, form: Form) -> Order:
    """Raises TimeRefused for text that is not a time, a time in the past, or one that the clock of the box has twice or never."""
    at, names = local_times.moment(form["at"].strip(), ctx.now, option=""), tuple(target.workload for target in form.targets)
    result = scheduling.schedule(ctx, ScheduleRequest(at, names, digest=form.digest, seen=form.targets))
    if result.order is None:
        raise NothingStaged("nothing is staged")
    return result.order


async def cancel(call: Call) -> Response:
    """A scheduled activation of several ends as a whole."""
    name = (await form_of(call, ("name",)))["name"]
    await call.box.act(call.principal.actor, scheduling.cancel, [name])
    return see_other(f"/ui/workloads/{name}")


# --- holds ----------------------------------------------------------------------------------------


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
