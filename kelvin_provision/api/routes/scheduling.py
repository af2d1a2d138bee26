"""Applies with what only the terminal has besides: a time, everything that is staged, outside of the window."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from starlette.responses import Response

from kelvin_provision import timestamps
from kelvin_provision.api.messages.body import content, fields_in, fields_of, true_or_false
from kelvin_provision.api.messages.documents import answer
from kelvin_provision.api.messages.refusals import Refusal
from kelvin_provision.api.routes.orders import checked_names
from kelvin_provision.api.services import Call
from kelvin_provision.queries.items import order_to_json
from kelvin_provision.status import Verb
from kelvin_provision.usecases import schedule as scheduling
from kelvin_provision.usecases.order import Change, order
from kelvin_provision.usecases.schedule import ScheduleRequest

_EXAMPLE = 'send {"workload_names": ["NAME"]}, or {"all": true}'


async def apply(call: Call) -> Response:
    """As `workloads apply` with --all, --force or --retry-failed. The answer is the order."""
    body = await content(call.request)
    fields = fields_in(body, ("workload_names", "all", "force", "retry_failed"))
    names, force, retry = _names(fields), true_or_false(fields, "force"), true_or_false(fields, "retry_failed")
    if retry and names:
        raise Refusal("bad-body", "retry_failed goes with all: a workload that is named is tried again anyway", _EXAMPLE)
    change = Change(Verb.APPLY, names, call.digest(body), force=force, retry_failed=retry)
    ordered = await call.box.act(call.principal.actor, order, change)
    return answer({"order": order_to_json(ordered.order), "warnings": list(ordered.warnings)}, 202)


async def schedule(call: Call) -> Response:
    """As `workloads apply --at`. A later one, or anything else that is done to one of its workloads, ends it."""
    body = await content(call.request)
    fields = fields_in(body, ("workload_names", "all", "at", "force"))
    request = ScheduleRequest(_time(fields.get("at")), _names(fields), force=true_or_false(fields, "force"), digest=call.digest(body))
    result = await call.box.act(call.principal.actor, scheduling.schedule, request)
    scheduled = order_to_json(result.order) if result.order else None
    return answer({"order": scheduled, "warnings": list(result.warnings)}, 202)


async def cancel(call: Call) -> Response:
    """As `workloads apply --cancel`."""
    fields = await fields_of(call.request, ("workload_names", "all"))
    result = await call.box.act(call.principal.actor, scheduling.cancel, _names(fields))
    return answer({"cancelled": list(result.cancelled), "unchanged": list(result.unchanged)})


def _names(fields: dict[str, Any]) -> tuple[str, ...]:
    """Empty for everything, which must be said."""
    names, everything = fields.get("workload_names"), true_or_false(fields, "all")
    if names is None and everything:
        return ()
    return checked_names(None if everything else names, "the body names either workloads or all of them", _EXAMPLE)


def _time(text: Any) -> datetime:
    try:
        return timestamps.parse(timestamps.normalized(text if isinstance(text, str) else ""))
    except (ValueError, OverflowError):
        raise Refusal("bad-body", "at is not a time with a time zone", "accepted is RFC 3339, such as 2026-11-23T02:00:00Z") from None
