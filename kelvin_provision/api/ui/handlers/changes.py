"""Pages that confirm a change, with what is there now, and order it: activate, undo, stop, start.

The form carries the revisions that were shown. If others are there by then, nothing is ordered, and the page says to look again.
"""

from __future__ import annotations

from dataclasses import dataclass

from starlette.responses import Response

from kelvin_provision import timestamps
from kelvin_provision.api.messages.parameters import many, refuse_unknown
from kelvin_provision.api.messages.refusals import Refusal
from kelvin_provision.api.routes.orders import MOST_NAMES
from kelvin_provision.api.services import Call
from kelvin_provision.api.ui.forms import form_of
from kelvin_provision.api.ui.handlers.assessing import assessed, shown
from kelvin_provision.api.ui.handlers.workload import earlier
from kelvin_provision.api.ui.handlers.workloads import ready_names
from kelvin_provision.api.ui.rendering import page, see_other
from kelvin_provision.api.ui.strings.texts import texts_of
from kelvin_provision.api.ui.words import CHANGES, TITLES
from kelvin_provision.applying import gate
from kelvin_provision.context import Context
from kelvin_provision.errors import NothingApplied, NothingStaged, NothingToRollBack
from kelvin_provision.ledger.model.workloads import Workload
from kelvin_provision.status import Verb
from kelvin_provision.usecases.order import Change, order


@dataclass(frozen=True)
class _Row:
    """One workload of the change: from which version to which; `after` is empty for stop and start."""

    name: str
    title: str
    number: int
    before: str
    after: str


@dataclass(frozen=True)
class _Plan:
    """`left_out` are titles of what is ready, and not in it because it is held."""

    rows: tuple[_Row, ...]
    obstacle: str = ""
    left_out: tuple[str, ...] = ()

    @property
    def targets(self) -> str:
        return " ".join(f"{row.name}={row.number}" for row in self.rows)


async def confirm(call: Call) -> Response:
    """Without names, activate is about everything that is ready."""
    query, verb = call.request.query_params, _verb(call)
    refuse_unknown(query.keys(), ("name",))
    names = tuple(dict.fromkeys(many(query, "name")))
    plan = await call.box.ask(_planned, verb, names)
    asks = verb is Verb.APPLY and not plan.obstacle
    answers = await assessed(call, [row.name for row in plan.rows]) if asks else shown()
    titles = {row.name: row.title for row in plan.rows}
    values = {"title": texts_of(call.request)(TITLES[verb]), "titles": titles, "clock": timestamps.of_clock(timestamps.now()), **answers}
    return page(call, "confirm.html", verb=verb.value, plan=plan, action=call.request.scope["path"], **values)


async def carry_out(call: Call) -> Response:
    """Order it, and go to the page that follows it. The same form again within a minute is the same order."""
    form, verb = await form_of(call, ("targets",)), _verb(call)
    targets = form.targets
    names = tuple(dict.fromkeys(target.workload for target in targets))
    ordered = await call.box.act(call.principal.actor, order, Change(verb, names, form.digest, seen=targets))
    return see_other(f"/ui/operations/{ordered.order.id}")


def _verb(call: Call) -> Verb:
    return CHANGES[call.request.scope["path"].rpartition("/")[2]]


def _planned(ctx: Context, verb: Verb, names: tuple[str, ...]) -> _Plan:
    everything = not names and verb is Verb.APPLY
    names = ready_names(ctx) if everything else names
    if everything and not names:
        raise NothingStaged("nothing is ready to be activated")
    if not names or len(names) > MOST_NAMES:
        raise Refusal("bad-query", f"name one to {MOST_NAMES} workloads")
    workloads = ctx.ledger.workloads(names)
    held = tuple(workload for workload in workloads if workload.holds) if everything else ()
    chosen = tuple(workload for workload in workloads if workload not in held) or workloads
    rows = tuple(_row(ctx, verb, workload) for workload in chosen)
    error = gate.obstacle(chosen, ctx.settings.apply.window, ctx.now) if verb is Verb.APPLY else None
    left_out = tuple(workload.title for workload in held if workload not in chosen)
    return _Plan(rows, timestamps.with_local_times(str(error or "")), left_out)


def _row(ctx: Context, verb: Verb, workload: Workload) -> _Row:
    running, staged, name = workload.running, workload.staged, workload.name
    version = running.spec.app_version if running else ""
    if verb is Verb.APPLY:
        if staged is None:
            raise NothingStaged(f"nothing is staged for {name}")
        return _Row(name, workload.title, staged.number, version, staged.spec.app_version)
    if running is None:
        raise NothingApplied(f"nothing of {name} runs")
    if verb is Verb.ROLLBACK:
        before = earlier(ctx, name)
        if before is None:
            raise NothingToRollBack(f"no earlier version of {name} is kept on this box")
        return _Row(name, workload.title, running.number, version, before.spec.app_version)
    return _Row(name, workload.title, running.number, version, "")
