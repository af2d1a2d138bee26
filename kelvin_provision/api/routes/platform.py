"""What the platform's clients read before they log in (KELVIN 8.5), and whether the API answers at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from starlette.responses import PlainTextResponse, Response

from kelvin_provision.api.messages.documents import HEADERS, JSON, Kept, answer
from kelvin_provision.api.messages.parameters import refuse_unknown
from kelvin_provision.api.services import Call
from kelvin_provision.context import Context
from kelvin_provision.queries.overview import OverviewRequest, overview
from kelvin_provision.spec.enums import State
from kelvin_provision.usecases.api_certificate import authority_pem

OPENAPI = "openapi.json"
PEM = "application/x-x509-ca-cert"
_DESCRIPTION = Path(__file__).parents[1] / OPENAPI


async def healthz(call: Call) -> Response:
    """The event loop and the ledger answer. Says nothing about workloads: it has no login."""
    call.box.version()
    return PlainTextResponse("ok\n", headers=HEADERS)


async def openapi(call: Call) -> Response:
    """The description of this API, as it was written when the program was built. It needs no login, as it says nothing about this box."""
    refuse_unknown(call.request.query_params.keys(), ())
    return Kept.of(_DESCRIPTION.read_bytes()).response(JSON, call.request.headers.get("if-none-match", ""))


async def authority(call: Call) -> Response:
    """What a client has to trust. Telephones offer to install what has this type."""
    pem = authority_pem(call.box.settings)
    return Response(pem, headers=HEADERS, media_type=PEM)


async def leader(call: Call) -> Response:
    """The list of the Leader API, which apps on the box read without a login (KELVIN 1)."""
    call.require_unless_local()
    refuse_unknown(call.request.query_params.keys(), ())
    return answer(await call.box.ask(_leader))


def _leader(ctx: Context) -> dict[str, Any]:
    items = overview(ctx, OverviewRequest()).page.items
    return {
        "data": [
            {
                "name": item.name,
                "app_name": item.app_name,
                "app_version": item.app_version,
                "status": item.status.state.value,
                "running": item.status.state is State.RUNNING,
            }
            for item in items
        ]
    }


async def metadata(call: Call) -> Response:
    base, realm = call.base, call.services.settings.realm
    return answer(
        {
            "api": {"url": f"{base}/api/v4", "docs": base},
            "authentication": {
                "url": base,
                "realm": realm,
                "path": "auth",
                "logout_path": f"/auth/realms/{realm}/protocol/openid-connect/logout",
            },
            "docker": {"url": "", "port": 5000, "path": ""},
            "documentation": {"url": ""},
            "sdk": {"ksdk_minimum_version": "0.0.0", "ksdk_latest_version": "999.0.0", "docker_minimum_version": "0.0.0", "components": {}},
            "schema": {"minimum_spec_version": "4.0.0", "latest_spec_version": "5.0.0"},
        }
    )
