"""What a workload has written last, from the agent: as a page that may follow, and as a file."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from kelvin_provision.api.messages.parameters import flag, refuse_unknown
from kelvin_provision.api.services import Call
from kelvin_provision.api.ui.rendering import HEADERS, page
from kelvin_provision.api.work.asking import asked
from kelvin_provision.masking.controls import harmless
from kelvin_provision.queries.logs import MOST_LINES

TAIL = 200


async def shown(call: Call) -> Response:
    """The newest lines of each container. With `follow`, the page asks for itself every two seconds."""
    query = call.request.query_params
    refuse_unknown(query.keys(), ("follow",))
    follow = flag(query, "follow") or False
    pods = await _lines(call, TAIL)
    return page(call, "logs.html", name=call.name, pods=pods, follow=follow, tail=TAIL)


async def as_file(call: Call) -> Response:
    refuse_unknown(call.request.query_params.keys(), ())
    pods = await _lines(call, MOST_LINES)
    text = "".join(f"{pod} {line}\n" for pod, lines in pods.items() for line in lines)
    headers = {**HEADERS, "content-disposition": f'attachment; filename="{call.name}.log"'}
    return Response(harmless(text).encode("utf-8", "replace"), headers=headers, media_type="text/plain")


async def _lines(call: Call, tail: int) -> dict[str, list[str]]:
    await call.box.ask(lambda ctx: ctx.ledger.workload(call.name))
    document: dict[str, Any] = await asked(call.box, "logs", {"name": call.name, "tail": tail, "since": None})
    pods: dict[str, list[str]] = document["logs"]
    return pods
