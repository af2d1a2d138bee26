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
    refuse_unknown(query.keys(), ("follow", "previous"))
    follow, previous = flag(query, "follow") or False, flag(query, "previous") or False
    pods = await _lines(call, TAIL, previous=previous)
    return page(call, "logs.html", name=call.name, pods=pods, follow=follow and not previous, previous=previous, tail=TAIL)


async def as_file(call: Call) -> Response:
    query = call.request.query_params
    refuse_unknown(query.keys(), ("previous",))
    previous = flag(query, "previous") or False
    pods = await _lines(call, MOST_LINES, previous=previous)
    text = "".join(f"{pod} {line}\n" for pod, lines in pods.items() for line in lines)
    file = f"{call.name}{'-previous' if previous else ''}.log"
    headers = {**HEADERS, "content-disposition": f'attachment; filename="{file}"'}
    return Response(harmless(text).encode("utf-8", "replace"), headers=headers, media_type="text/plain")


async def _lines(call: Call, tail: int, *, previous: bool) -> dict[str, list[str]]:
    await call.require_workload()
    arguments = {"name": call.name, "tail": tail, "since": None, "previous": previous}
    document: dict[str, Any] = await asked(call.box, "logs", arguments)
    pods: dict[str, list[str]] = document["logs"]
    return pods
