"""Users of the API, for administrators: add, another level, another password, unlock, remove. And the own password, for every user."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.responses import Response

from kelvin_provision.access.levels import Level
from kelvin_provision.api.messages.parameters import refuse_unknown
from kelvin_provision.api.messages.refusals import Refusal
from kelvin_provision.api.routes.access import changed_password, level_of, once
from kelvin_provision.api.services import Call
from kelvin_provision.api.ui.cookies import set_session
from kelvin_provision.api.ui.forms import form_of
from kelvin_provision.api.ui.handlers.login import REFUSED
from kelvin_provision.api.ui.rendering import page, see_other
from kelvin_provision.api.ui.strings.texts import deferred
from kelvin_provision.context import Context
from kelvin_provision.usecases import api_users

LEVELS = {
    Level.READ: deferred("read: look at everything"),
    Level.OPERATE: deferred("operate: and activate, undo, stop, start, hold"),
    Level.DEPLOY: deferred("deploy: and bring new versions"),
    Level.ADMIN: deferred("admin: and undeploy, users, tokens, the file for support"),
}
"""What a level adds to the one before."""


async def listed(call: Call) -> Response:
    refuse_unknown(call.request.query_params.keys(), ())
    users = await call.box.ask(lambda ctx: api_users.users_of(ctx).all())
    return page(call, "users.html", users=users, levels=LEVELS, chosen=Level.OPERATE.value)


async def add(call: Call) -> Response:
    form = await form_of(call, ("name", "password", "level"))
    level = level_of(form["level"])
    await once(call, form.digest, lambda ctx: api_users.add(ctx, form["name"].strip(), form["password"], level).name)
    return see_other("/ui/users")


async def shown(call: Call) -> Response:
    refuse_unknown(call.request.query_params.keys(), ())
    return await _page(call)


async def set_level(call: Call) -> Response:
    form = await form_of(call, ("level",))
    level = level_of(form["level"])
    return await _changed(call, form.digest, lambda ctx: api_users.set_level(ctx, _name(call), level))


async def set_password(call: Call) -> Response:
    form = await form_of(call, ("password",))
    return await _changed(call, form.digest, lambda ctx: api_users.set_password(ctx, _name(call), form["password"]))


async def unlock(call: Call) -> Response:
    await form_of(call, ())
    await call.box.act(call.principal.actor, api_users.unlock, _name(call))
    return see_other(_path(call))


async def remove(call: Call) -> Response:
    """With the name typed. The page that follows names the tokens of programs that go on."""
    form = await form_of(call, ("name",))
    if form["name"].strip() != _name(call):
        return await _page(call, 400, typed=form["name"])
    removed = await once(call, form.digest, lambda ctx: api_users.remove(ctx, _name(call)))
    return page(call, "user-removed.html", name=_name(call), tokens=removed.tokens)


async def _changed(call: Call, key: str, change: Callable[[Context], Any]) -> Response:
    await once(call, key, change)
    return see_other(_path(call))


async def _page(call: Call, status: int = 200, typed: str = "") -> Response:
    user = await call.box.ask(lambda ctx: api_users.users_of(ctx).get(_name(call)))
    lockout = call.services.settings.lockout is not None
    return page(call, "user.html", status, shown=user, levels=LEVELS, lockout=lockout, typed=typed, own=user.name == call.principal.name)


def _name(call: Call) -> str:
    return call.in_path("user")


def _path(call: Call) -> str:
    return f"/ui/users/{_name(call)}"


# --- the own password -----------------------------------------------------------------------------


async def account(call: Call) -> Response:
    refuse_unknown(call.request.query_params.keys(), ())
    return page(call, "account.html", level=LEVELS[call.principal.level], refusal=None, changed=False)


async def change_password(call: Call) -> Response:
    """All sessions and tokens of the user end; this browser gets a new session."""
    form = await form_of(call, ("password", "new_password"))
    level = LEVELS[call.principal.level]
    try:
        user = await changed_password(call, "ui", form["password"], form["new_password"])
    except Refusal as refusal:
        if refusal.name not in REFUSED:
            raise
        return page(call, "account.html", refusal.kind.status, level=level, refusal=refusal, changed=False)
    sessions = call.services.sessions
    return set_session(
        call.request, page(call, "account.html", level=level, refusal=None, changed=True), sessions.begin(user), sessions.longest
    )
