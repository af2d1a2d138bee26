"""Changes: each is stored as an order, and the answer comes before the agent carries it out. Its state is `pending_*` until then."""

from __future__ import annotations

from starlette.responses import Response

from kelvin_provision.access.levels import Level
from kelvin_provision.api.messages.body import content, parsed_object
from kelvin_provision.api.messages.documents import empty, partly
from kelvin_provision.api.messages.parameters import flag, refuse_unknown
from kelvin_provision.api.messages.refusals import Refusal
from kelvin_provision.api.services import Call
from kelvin_provision.context import Context
from kelvin_provision.errors import WorkloadUnknown
from kelvin_provision.status import Verb
from kelvin_provision.usecases.order import Change, order, order_possible

MOST_NAMES = 100
_EXAMPLE = (
    'workload_names is a list of names: {"workload_names": ["NAME"]}; with the Python client: apply_workload(workload_names=["NAME"])'
)


async def apply(call: Call) -> Response:
    body = await content(call.request)
    return await _ordered(call, Verb.APPLY, names_in(parsed_object(body)), body)


def names_in(document: dict[str, object]) -> tuple[str, ...]:
    """The workloads in a body. Raises Refusal."""
    unknown = [key for key in document if key != "workload_names"]
    names = document.get("workload_names")
    if unknown:
        raise Refusal("bad-body", f"unknown key {unknown[0][:60]!r}; accepted is workload_names", _EXAMPLE)
    return checked_names(names, "the body names no workloads", _EXAMPLE)


def checked_names(names: object, wrong: str, example: str) -> tuple[str, ...]:
    """Each once. Raises Refusal: `wrong` for what is no list of names."""
    if not isinstance(names, list) or not names or not all(isinstance(name, str) and name for name in names):
        raise Refusal("bad-body", wrong, example)
    if len(names) > MOST_NAMES:
        raise Refusal("bad-body", f"{len(names)} names; the limit is {MOST_NAMES}", "send them in several requests")
    return tuple(dict.fromkeys(names))


async def apply_named(call: Call) -> Response:
    return await _of_path(call, Verb.APPLY)


async def start(call: Call) -> Response:
    return await _of_path(call, Verb.START)


async def stop(call: Call) -> Response:
    return await _of_path(call, Verb.STOP)


async def undeploy(call: Call) -> Response:
    return await _ordered(call, Verb.UNDEPLOY, (call.name,), b"", staged=_staged(call))


async def apply_all(call: Call) -> Response:
    return await _of_body(call, Verb.APPLY)


async def start_all(call: Call) -> Response:
    return await _of_body(call, Verb.START)


async def stop_all(call: Call) -> Response:
    return await _of_body(call, Verb.STOP)


async def delete_all(call: Call) -> Response:
    return await _of_body(call, Verb.UNDEPLOY, staged=_staged(call))


async def enable_all(call: Call) -> Response:
    """Nothing to do: a workload that is on a box was sent to it, which is what this is about on the platform."""
    names = names_in(parsed_object(await content(call.request)))
    refused = await call.box.ask(_unknown, names)
    return partly(refused) if refused else empty(204)


def _unknown(ctx: Context, names: tuple[str, ...]) -> dict[str, WorkloadUnknown]:
    """Raises WorkloadUnknown if all of them are."""
    if not ctx.ledger.existing(names):
        ctx.ledger.workloads(names)
    refused: dict[str, WorkloadUnknown] = {}
    for name in names:
        try:
            ctx.ledger.workload(name)
        except WorkloadUnknown as error:
            refused[name] = error
    return refused


async def _of_body(call: Call, verb: Verb, *, staged: bool = False) -> Response:
    """Those that can be are one order, and newer clients read 204; of several, 207 names those that cannot."""
    body = await content(call.request)
    change = Change(verb, names_in(parsed_object(body)), _digest(call, body, staged=staged), staged)
    refused = await call.box.act(call.principal.actor, order_possible, change)
    return partly(refused) if refused else empty(204)


def _staged(call: Call) -> bool:
    """Whether only staged versions are to be removed; everything needs an administrator."""
    query = call.request.query_params
    refuse_unknown(query.keys(), ("staged",))
    staged = flag(query, "staged") or False
    if not staged:
        call.principal.require(Level.ADMIN)
    return staged


async def _of_path(call: Call, verb: Verb) -> Response:
    refuse_unknown(call.request.query_params.keys(), ())
    return await _ordered(call, verb, (call.name,), b"")


async def _ordered(call: Call, verb: Verb, names: tuple[str, ...], body: bytes, *, staged: bool = False) -> Response:
    await call.box.act(call.principal.actor, order, Change(verb, names, _digest(call, body, staged=staged), staged))
    return empty()


def _digest(call: Call, body: bytes, *, staged: bool) -> str:
    return call.digest(body, f"?staged={staged}")
