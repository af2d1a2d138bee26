"""Undeploy of a workload with its data, or of its staged version: its name is typed first."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.responses import Response

from kelvin_provision.api.messages.parameters import refuse_unknown, single
from kelvin_provision.api.services import Call
from kelvin_provision.api.ui.forms import form_of
from kelvin_provision.api.ui.rendering import page, see_other
from kelvin_provision.context import Context
from kelvin_provision.ledger.model.orders import Target
from kelvin_provision.ledger.model.workloads import Workload
from kelvin_provision.status import Verb
from kelvin_provision.usecases.order import Change, order
from kelvin_provision.usecases.undeploy import UndeployRequest, find, lost_volumes


@dataclass(frozen=True)
class _Shown:
    """`seen` is the newest revision that is removed."""

    workload: Workload
    seen: Target
    volumes: tuple[str, ...]


async def confirm(call: Call) -> Response:
    query = call.request.query_params
    refuse_unknown(query.keys(), ("name",))
    return await _page(call, single(query, "name") or "")


async def carry_out(call: Call) -> Response:
    """Order it if the name that was typed is that of the workload, in any case and between blanks, as telephones write it."""
    form = await form_of(call, ("targets", "name"))
    names = tuple(target.workload for target in form.targets)
    if len(names) != 1 or form["name"].strip().lower() != names[0]:
        return await _page(call, names[0], 400, typed=form["name"])
    change = Change(Verb.UNDEPLOY, names, form.digest, staged=_staged(call), seen=form.targets)
    ordered = await call.box.act(call.principal.actor, order, change)
    return see_other(f"/ui/operations/{ordered.order.id}")


async def _page(call: Call, name: str, status: int = 200, typed: str = "") -> Response:
    seen = await call.box.ask(_read, name, staged=_staged(call))
    return page(call, "undeploy.html", status, shown=seen, staged=_staged(call), typed=typed, action=call.request.scope["path"])


def _staged(call: Call) -> bool:
    return bool(call.request.scope["path"].endswith("-staged"))


def _read(ctx: Context, name: str, *, staged: bool) -> _Shown:
    """Raises WorkloadUnknown, NothingStaged, StateDamaged: what cannot be read is removed at the terminal."""
    ctx.ledger.workload(name)
    (workload,) = find(ctx, UndeployRequest((name,), staged=staged))
    newest = workload.staged.number if staged and workload.staged else ctx.ledger.latest((name,)).get(name)
    return _Shown(workload, Target(name, newest), lost_volumes(workload))
