"""Who did what, when, and how it ended; and whether a line was changed or is missing."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.responses import Response

from kelvin_provision.api.messages.parameters import refuse_unknown, single
from kelvin_provision.api.services import Call
from kelvin_provision.api.ui.rendering import page
from kelvin_provision.context import Context
from kelvin_provision.errors import HistoryBroken
from kelvin_provision.queries.history import HistoryRequest, HistoryResult, history

NEWEST = 100


@dataclass(frozen=True)
class _Shown:
    result: HistoryResult
    broken: str = ""


async def listed(call: Call) -> Response:
    """The newest first, of all or of one workload."""
    query = call.request.query_params
    refuse_unknown(query.keys(), ("name",))
    name = single(query, "name") or ""
    shown = await call.box.ask(_read, (name,) if name else ())
    lines = shown.result.entries[::-1]
    return page(call, "history.html", name=name, lines=lines, broken=shown.broken, verified=shown.result.verified, most=NEWEST)


def _read(ctx: Context, names: tuple[str, ...]) -> _Shown:
    try:
        return _Shown(history(ctx, HistoryRequest(names, verify=True, newest=NEWEST)))
    except HistoryBroken as error:
        return _Shown(history(ctx, HistoryRequest(names, newest=NEWEST)), str(error))
