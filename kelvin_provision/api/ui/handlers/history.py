"""Who did what, when, and how it ended; and, when it is asked for, whether a line was changed or is missing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from kelvin_provision.api.messages.parameters import flag, refuse_unknown, single
from kelvin_provision.api.routes.box import HISTORY
from kelvin_provision.api.services import Call
from kelvin_provision.api.ui.rendering import page
from kelvin_provision.api.ui.strings.texts import texts_of
from kelvin_provision.api.ui.words import title_of
from kelvin_provision.api.work.asking import result_of_job
from kelvin_provision.context import Context
from kelvin_provision.errors import HistoryBroken, ProvisionError
from kelvin_provision.ledger import history as ledger_history
from kelvin_provision.queries.history import HistoryRequest, HistoryResult, history

NEWEST = 100


@dataclass(frozen=True)
class _Check:
    """Of the chain: it is whole (`verified`), a line does not fit (`broken`), or it could not be checked (`silent`)."""

    verified: dict[str, Any] | None = None
    broken: str = ""
    silent: str = ""


async def listed(call: Call) -> Response:
    """The newest first, of all, of one workload, or of one order. `find` is the name of one, or the code of the other."""
    query = call.request.query_params
    refuse_unknown(query.keys(), ("name", "find", "verify"))
    name, text = single(query, "name") or "", (single(query, "find") or "").strip()
    result = await call.box.ask(_read, name, text)
    check, order = await _checked(call) if flag(query, "verify") else _Check(), result.order
    title = title_of(texts_of(call.request), order) if order else ""
    lines = result.entries[::-1]
    return page(call, "history.html", name="" if order else name or text, order=order, title=title, lines=lines, check=check, most=NEWEST)


async def _checked(call: Call) -> _Check:
    """By a job of the agent: a process of its own reads every line, and the thread of the API does not wait for it."""
    try:
        return _Check(await result_of_job(call.box, "verify-history", {}, HISTORY))
    except HistoryBroken as error:
        return _Check(broken=str(error))
    except ProvisionError as error:
        return _Check(silent=str(error))


def _read(ctx: Context, name: str, text: str) -> HistoryResult:
    """What begins with a digit is a code, unless there is a workload of that name. Raises WorkloadUnknown, OrderUnknown."""
    if text[:1].isdigit() and not ledger_history.known(ctx.ledger, (text,)):
        return history(ctx, HistoryRequest(newest=NEWEST, order=text))
    names = tuple(filter(None, (name or text,)))
    return history(ctx, HistoryRequest(names, newest=NEWEST))
