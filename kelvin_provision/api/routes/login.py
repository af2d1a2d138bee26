"""The token routes of OpenID Connect, as far as the platform's clients use them (KELVIN 8)."""

from __future__ import annotations

from starlette.responses import Response

from kelvin_provision.api.messages.body import form
from kelvin_provision.api.messages.documents import answer, empty
from kelvin_provision.api.messages.refusals import Refusal
from kelvin_provision.api.services import Call


async def token(call: Call) -> Response:
    issuer, fields, services = _issuer(call), await form(call.request), call.services
    grant = fields.get("grant_type", "")
    match grant:
        case "password":
            name, password = _required(fields, "username"), _required(fields, "password")
        case "client_credentials":
            name, password = _required(fields, "client_id"), _required(fields, "client_secret")
        case "refresh_token":
            return answer(services.authenticator.refresh(_required(fields, "refresh_token"), issuer))
        case _:
            raise Refusal("bad-body", f"grant_type is {grant[:40]!r}; accepted are password, refresh_token and client_credentials")
    user = await services.authenticator.login(name, password, call.address)
    return answer(services.authenticator.issue(user, issuer))


async def logout(call: Call) -> Response:
    _issuer(call)
    fields = await form(call.request)
    await call.box.ask(call.services.authenticator.logout, fields.get("refresh_token", ""), call.address)
    return empty(204)


async def userinfo(call: Call) -> Response:
    _issuer(call)
    name = call.principal.name
    return answer({"sub": name, "preferred_username": name, "name": name, "level": call.principal.level.value})


async def discovery(call: Call) -> Response:
    issuer = _issuer(call)
    routes = f"{issuer}/protocol/openid-connect"
    return answer(
        {
            "issuer": issuer,
            "token_endpoint": f"{routes}/token",
            "userinfo_endpoint": f"{routes}/userinfo",
            "end_session_endpoint": f"{routes}/logout",
            "grant_types_supported": ["password", "refresh_token", "client_credentials"],
            "response_types_supported": [],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["HS256"],
            "token_endpoint_auth_methods_supported": ["client_secret_post", "none"],
        }
    )


def _issuer(call: Call) -> str:
    realm, own = call.in_path("realm"), call.services.settings.realm
    if realm != own:
        raise Refusal("realm-unknown", f"this box has the realm {own}")
    return call.issuer


def _required(fields: dict[str, str], name: str) -> str:
    value = fields.get(name, "")
    if not value:
        raise Refusal("bad-body", f"the form has no {name}")
    return value
