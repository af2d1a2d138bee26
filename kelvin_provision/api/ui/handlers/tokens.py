"""Tokens of programs, for administrators: create, which shows the token once, and revoke."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from kelvin_provision.access.levels import Level
from kelvin_provision.api.messages.parameters import refuse_unknown
from kelvin_provision.api.messages.refusals import Refusal
from kelvin_provision.api.routes.access import level_of, once
from kelvin_provision.api.services import Call
from kelvin_provision.api.ui.forms import form_of
from kelvin_provision.api.ui.handlers.users import LEVELS
from kelvin_provision.api.ui.rendering import page, see_other
from kelvin_provision.quantity import parse_count
from kelvin_provision.usecases import api_tokens
from kelvin_provision.usecases.api_tokens import TokenRequest

LONGEST = 366
_DAY = 86400.0


async def listed(call: Call) -> Response:
    refuse_unknown(call.request.query_params.keys(), ())
    return await _page(call)


async def create(call: Call) -> Response:
    """The answer has the token itself, which is nowhere else; the same form again within a minute shows the same one."""
    form = await form_of(call, ("name", "level", "days"))
    days = parse_count(form["days"].strip()) or 0
    if not 1 <= days <= LONGEST:
        raise Refusal("bad-body", f"days is {form['days'][:60]!r}; accepted are 1 to {LONGEST}")
    request = TokenRequest(form["name"].strip(), level_of(form["level"]), days * _DAY, call.issuer)
    created = await once(call, form.digest, lambda ctx: api_tokens.create(ctx, request))
    return page(call, "token.html", 201, item=created.item, text=created.text)


async def revoke(call: Call) -> Response:
    form, name = await form_of(call, ("name",)), call.in_path("token")
    if form["name"].strip() != name:
        return await _page(call, 400, wrong=name)
    await once(call, form.digest, lambda ctx: api_tokens.revoke(ctx, name))
    return see_other("/ui/tokens")


async def _page(call: Call, status: int = 200, wrong: str = "") -> Response:
    """`wrong`: the token whose name was not typed."""
    tokens = await call.box.ask(api_tokens.listed, call.services.authenticator.programs.uses)
    documents = [item.to_json() for item in tokens]
    values: dict[str, Any] = {"tokens": documents, "levels": LEVELS, "chosen": Level.READ.value, "longest": LONGEST, "wrong": wrong}
    return page(call, "tokens.html", status, **values)
