"""One workload: what runs and what is staged, side by side, and what may be done now."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.responses import Response

from kelvin_provision import timestamps
from kelvin_provision.api.messages.parameters import refuse_unknown
from kelvin_provision.api.routes.workloads import packaged
from kelvin_provision.api.services import Call
from kelvin_provision.api.ui.rendering import HEADERS, page
from kelvin_provision.api.ui.strings.texts import Texts, texts_of
from kelvin_provision.api.ui.words import Course, card, headline, rehearsal_sign, title_of
from kelvin_provision.api.work.packages import AGAIN
from kelvin_provision.applying import gate
from kelvin_provision.context import Context
from kelvin_provision.errors import ProvisionError
from kelvin_provision.ledger import history, journal, orders
from kelvin_provision.ledger.model.operations import Phase
from kelvin_provision.ledger.model.orders import Order, Outcome
from kelvin_provision.ledger.model.workloads import Revision, Workload
from kelvin_provision.quantity import format_bytes, format_duration, format_rate
from kelvin_provision.queries.overview import percents
from kelvin_provision.queries.transfers import ImageTransfer
from kelvin_provision.queries.workload import WorkloadResult, workload_of
from kelvin_provision.spec.enums import State

_ORDERS = 5
UNDER_WAY = 202


@dataclass(frozen=True)
class _Shown:
    """`obstacle` is why it cannot be activated now; `before` what an undo goes back to."""

    result: WorkloadResult
    current: Workload
    obstacle: str
    before: Revision | None
    orders: tuple[tuple[Order, Course], ...]
    percent: int | None


async def shown(call: Call) -> Response:
    refuse_unknown(call.request.query_params.keys(), ())
    seen, _ = await call.box.ask(_read, call.name), texts_of(call.request)
    result, current = seen.result, seen.current
    state, failure = result.item.status.state, result.last_failure
    return page(
        call,
        "workload.html",
        item=result.item,
        card=card(_, result.item, seen.percent),
        current=current,
        obstacle=timestamps.with_local_times(seen.obstacle),
        before=seen.before,
        failure=failure if failure and not result.recovered else None,
        rehearsed=rehearsal_sign(_, current.rehearsal.outcome) if current.rehearsal else None,
        images=[(image, _progress(_, image), _signed(_, image)) for image in result.images],
        orders=[(order, title_of(_, order), headline(_, order, {}, course)) for order, course in seen.orders],
        may_stop=state is State.RUNNING,
        may_start=state is State.STOPPED,
        scheduled=timestamps.local_minute(current.scheduled_apply.at) if current.scheduled_apply and current.scheduled_apply.at else "",
    )


async def package(call: Call) -> Response:
    """The file; a page that asks again until it is there."""
    refuse_unknown(call.request.query_params.keys(), ())
    answered = await packaged(call)
    if answered.status_code == UNDER_WAY:
        return page(call, "package.html", UNDER_WAY, name=call.name, again=AGAIN)
    answered.headers.update(HEADERS)
    return answered


def _read(ctx: Context, name: str) -> _Shown:
    with ctx.ledger.reading():  # all of one moment
        current = ctx.ledger.workload(name)
        result = workload_of(ctx, current)
    error = gate.obstacle((current,), ctx.settings.apply.window, ctx.now)
    newest = tuple((order, course_of(ctx, order)) for order in orders.recent(ctx.ledger, _ORDERS, workload=name))
    return _Shown(
        result,
        current,
        str(error or ""),
        earlier(ctx, name),
        newest,
        percents(ctx, [current]).get(name),
    )


def earlier(ctx: Context, name: str) -> Revision | None:
    """What a rollback of this workload goes back to; None if there is nothing."""
    from kelvin_provision.usecases.rollback import plan  # with all that applies: 2 MiB, of which the routes for programs need none

    try:
        return next((target.revision for target in plan(ctx.ledger, (name,)).targets), None)
    except ProvisionError:
        return None


def course_of(ctx: Context, order: Order) -> Course:
    """How the order goes, beside what it says itself."""
    if not order.begun or (order.ended and order.outcome is not Outcome.FAILED):
        return Course()
    if order.ended:
        return Course(ending=history.ending(ctx.ledger, order.names, order.begun, order.ended))
    operation = journal.unfinished(ctx.ledger)
    return Course(undoing=operation is not None and operation.id == order.operation and operation.phase is Phase.UNDOING)


def _progress(_: Texts, image: ImageTransfer) -> str:
    if image.pulled:
        return _("the cluster pulls it")
    if image.size is None:
        return _("size not known yet")
    delta = [_("delta: {bytes} instead of {whole}", bytes=format_bytes(image.delta.bytes), whole=format_bytes(image.delta.instead_of))]
    delta = [*(delta if image.delta.layers else ()), *(_("no delta: {reason}", reason=reason) for reason in image.delta.reasons)]
    if image.complete:
        return ", ".join([_("{size}, complete", size=format_bytes(image.size)), *delta])
    parts = [_("{done} of {size}", done=format_bytes(image.here), size=format_bytes(image.size))]
    parts += [format_rate(image.rate)] if image.rate else []
    parts += [_("{time} left", time=format_duration(image.seconds_left))] if image.seconds_left else []
    return ", ".join([*parts, *delta])


def _signed(_: Texts, image: ImageTransfer) -> str:
    """By whom; empty on a box without keys."""
    if image.signed is None:
        return ""
    names = ", ".join(signer.text for signer in image.signed.signers)
    texts = {
        "signed": _("signed by {names}", names=names),
        "not-enough": _("signed by {names}, which is not enough", names=names),
        "others": _("signed with keys that this box does not trust"),
        "keyless": _("keyless signatures only, which do not count"),
        "unsigned": _("not signed"),
    }
    return texts.get(image.signed.state, _("signatures not looked for yet"))
