"""Users and tokens of the API, `/edge/v1/users` and `/edge/v1/tokens`: what `api user` and `api token` do at the terminal."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from starlette.responses import Response

from kelvin_provision.access.levels import Level
from kelvin_provision.access.users import User
from kelvin_provision.api.messages.body import content, fields_in, fields_of
from kelvin_provision.api.messages.documents import answer, empty, solution
from kelvin_provision.api.messages.parameters import refuse_unknown
from kelvin_provision.api.messages.refusals import Refusal
from kelvin_provision.api.services import Call
from kelvin_provision.context import Context
from kelvin_provision.quantity import parse_duration
from kelvin_provision.usecases import api_tokens, api_users
from kelvin_provision.usecases.api_tokens import TokenRequest
from kelvin_provision.usecases.api_users import UserRemoved

LIFETIME = "90d"
LIFETIMES = r"([1-9][0-9]{0,2}[mh]|([1-9]|[1-9][0-9]|[12][0-9]{2}|3[0-5][0-9]|36[0-6])d)"


async def users(call: Call) -> Response:
    refuse_unknown(call.request.query_params.keys(), ())
    listed = await call.box.ask(lambda ctx: api_users.users_of(ctx).all())
    return answer({"users": [_user(user) for user in listed]})


async def add_user(call: Call) -> Response:
    body = await content(call.request)
    document = fields_in(body, ("name", "password", "level"))
    name, password, level = _text(document, "name"), _text(document, "password"), _level(document)
    return answer(await once(call, call.digest(body), lambda ctx: {"user": _user(api_users.add(ctx, name, password, level))}), 201)


async def set_password(call: Call) -> Response:
    body = await content(call.request)
    name, password = _path(call, "user"), _text(fields_in(body, ("password",)), "password")
    await once(call, call.digest(body), lambda ctx: api_users.set_password(ctx, name, password))
    return empty(204)


async def change_password(call: Call) -> Response:
    """The user's own, with the present one. All tokens of the user end."""
    fields = await fields_of(call.request, ("password", "new_password"))
    await changed_password(call, "api", _text(fields, "password"), _text(fields, "new_password"))
    return empty(204)


async def changed_password(call: Call, door: str, password: str, new_password: str) -> User:
    """A wrong present password slows down and is in the history, as at a login. Raises Refusal, PasswordRefused."""
    user = await call.services.authenticator.login(call.principal.name, password, call.address, door)
    return await call.box.act(call.principal.actor, api_users.set_password, user.name, new_password)


async def set_level(call: Call) -> Response:
    body = await content(call.request)
    name, level = _path(call, "user"), _level(fields_in(body, ("level",)))
    await once(call, call.digest(body), lambda ctx: api_users.set_level(ctx, name, level))
    return empty(204)


async def unlock_user(call: Call) -> Response:
    await fields_of(call.request, ())
    name = _path(call, "user")
    await call.box.act(call.principal.actor, api_users.unlock, name)
    return empty(204)


async def remove_user(call: Call) -> Response:
    name = _path(call, "user")
    return answer(await once(call, call.digest(b""), lambda ctx: _removed(api_users.remove(ctx, name))))


async def tokens(call: Call) -> Response:
    refuse_unknown(call.request.query_params.keys(), ())
    listed = await call.box.ask(api_tokens.listed, call.services.authenticator.programs.uses)
    return answer({"tokens": [item.to_json() for item in listed]})


async def create_token(call: Call) -> Response:
    """The answer has the token itself, which is nowhere else."""
    body = await content(call.request)
    document = fields_in(body, ("name", "level", "for"))
    request = TokenRequest(_text(document, "name"), _level(document), _lifetime(document.get("for", LIFETIME)), call.issuer)

    def create(ctx: Context) -> dict[str, Any]:
        created = api_tokens.create(ctx, request)
        return {"token": created.item.to_json(), "access_token": created.text}

    return answer(await once(call, call.digest(body), create), 201)


async def revoke_token(call: Call) -> Response:
    name = _path(call, "token")
    await once(call, call.digest(b""), lambda ctx: api_tokens.revoke(ctx, name))
    return empty(204)


async def once(call: Call, key: str, change: Callable[[Context], Any]) -> Any:
    """A repetition of the same user within a minute gets the same answer, unless users or tokens were changed in between."""

    def work(ctx: Context) -> Any:
        files = (api_users.users_of(ctx), api_tokens.tokens_of(ctx))
        return call.services.once(key, lambda: [file.stamp for file in files], lambda: change(ctx))

    return await call.box.act(call.principal.actor, work)


def _path(call: Call, name: str) -> str:
    refuse_unknown(call.request.query_params.keys(), ())
    return call.in_path(name)


def _user(user: User) -> dict[str, str]:
    return {"name": user.name, "level": user.level.value, "created": user.created, "changed": user.changed}


def _removed(removed: UserRemoved) -> dict[str, Any]:
    tokens = removed.tokens
    return {
        "tokens": [
            {"name": token.name, "level": token.level.value, "created": token.created, "revoke": solution(api_tokens.revoking(token))}
            for token in tokens
        ]
    }


def _text(document: dict[str, Any], name: str) -> str:
    value = document.get(name)
    if not isinstance(value, str) or not value:
        raise Refusal("bad-body", f"the body has no {name}, or it is no text")
    return value


def _level(document: dict[str, Any]) -> Level:
    return level_of(_text(document, "level"))


def level_of(text: str) -> Level:
    """Raises Refusal."""
    if text not in list(Level):
        raise Refusal("bad-body", f"level is {text[:60]!r}; accepted are {', '.join(Level)}")
    return Level(text)


def _lifetime(value: Any) -> float:
    if not isinstance(value, str) or not re.fullmatch(LIFETIMES, value):
        raise Refusal("bad-body", f"for is {str(value)[:60]!r}; accepted are minutes, hours and days such as 30m, 12h and 90d, up to 366d")
    return parse_duration(value)
