"""The nodes of this site, `/edge/v1/nodes`: what `node` does at the terminal, apart from joining."""

from __future__ import annotations

from starlette.responses import Response

from kelvin_provision.api.messages.body import content, fields_in, fields_of
from kelvin_provision.api.messages.documents import answer, empty
from kelvin_provision.api.messages.parameters import refuse_unknown
from kelvin_provision.api.messages.refusals import Refusal
from kelvin_provision.api.services import Call
from kelvin_provision.context import Context
from kelvin_provision.nodes import managing
from kelvin_provision.nodes.overview import nodes


async def listed(call: Call) -> Response:
    """The members with their images; on a member, its leader."""
    refuse_unknown(call.request.query_params.keys(), ())
    return answer(await call.box.ask(lambda ctx: nodes(ctx).to_json()))


async def make_token(call: Call) -> Response:
    """The answer alone has the token."""
    refuse_unknown(call.request.query_params.keys(), ())
    await fields_of(call.request, ())
    made = await call.box.act(call.principal.actor, managing.make_token)
    return answer({**made.to_json(), "warnings": list(made.warnings)}, 201)


async def drain(call: Call) -> Response:
    refuse_unknown(call.request.query_params.keys(), ())
    name, draining = call.in_path("node"), fields_in(await content(call.request), ("draining",)).get("draining", True)
    if not isinstance(draining, bool):
        raise Refusal("bad-body", "draining is not true or false")

    def work(ctx: Context) -> None:
        managing.drain(ctx, name, draining=draining)

    await call.box.act(call.principal.actor, work)
    return empty(204)


async def remove(call: Call) -> Response:
    refuse_unknown(call.request.query_params.keys(), ())
    await call.box.act(call.principal.actor, managing.remove, call.in_path("node"))
    return empty(204)
