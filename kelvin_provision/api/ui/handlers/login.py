"""Login and logout."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any

from starlette.responses import Response

from kelvin_provision.api.messages.body import form
from kelvin_provision.api.messages.refusals import Refusal
from kelvin_provision.api.services import Call
from kelvin_provision.api.ui.cookies import clear_session, session_text, set_session
from kelvin_provision.api.ui.rendering import page, see_other
from kelvin_provision.context import Context
from kelvin_provision.errors import ProvisionError
from kelvin_provision.usecases.api_certificate import shown

START = "/ui/"
_FIELDS = ("username", "password", "next")
REFUSED = frozenset({"invalid-grant", "too-many-attempts", "user-locked"})
"""What is said of a password on the page where it was typed."""


async def to_start(_call: Call) -> Response:
    return see_other(START)


async def form_page(call: Call) -> Response:
    target = _target(call.request.query_params.get("next", ""))
    return see_other(target) if call.caller else await _form(call, target=target)


async def login(call: Call) -> Response:
    """A new session, also for who has one already. A wrong password shows the form again, with the user as it was typed."""
    fields, services = await form(call.request), call.services
    name, target = fields.get("username", "")[:200], _target(fields.get("next", ""))
    if unknown := set(fields) - set(_FIELDS):
        raise Refusal("bad-body", f"unknown field {min(unknown)[:60]!r}")
    try:
        user = await services.authenticator.login(name, fields.get("password", ""), call.address, "ui")
    except Refusal as refusal:
        if refusal.name not in REFUSED:
            raise
        return await _form(call, refusal.kind.status, target=target, name=name, refusal=refusal)
    services.sessions.end(session_text(call.request), call.address)
    return set_session(call.request, see_other(target), services.sessions.begin(user), services.sessions.longest)


async def logout(call: Call) -> Response:
    call.services.sessions.end(session_text(call.request), call.address)
    return clear_session(call.request, see_other("/ui/login"))


async def _form(call: Call, status: int = 200, *, target: str, name: str = "", refusal: Refusal | None = None) -> Response:
    fingerprint = await call.box.ask(_fingerprint) if call.request.scope["scheme"] == "https" else ""
    without_users = not call.services.authenticator.has_users()
    values: dict[str, Any] = {"target": target, "name": name, "refusal": refusal, "without_users": without_users}
    return page(call, "login.html", status, address=call.base, fingerprint=fingerprint, **values)


def _fingerprint(ctx: Context) -> str:
    with suppress(ProvisionError):
        return shown(ctx.settings).chain.leaf.fingerprint
    return ""


def _target(text: str) -> str:
    """Where to go after the login: a page of this box, whatever the link says."""
    return text if re.fullmatch(r"/ui/(?!login|logout|events)[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)?", text) else START
