"""What the platform's clients read before they log in (KELVIN 8.5), and whether the API answers at all."""

from __future__ import annotations

from starlette.responses import PlainTextResponse, Response

from kelvin_provision.api.messages.documents import HEADERS, answer
from kelvin_provision.api.services import Call


async def healthz(call: Call) -> Response:
    """The event loop and the ledger answer. Says nothing about workloads: it has no login."""
    call.box.version()
    return PlainTextResponse("ok\n", headers=HEADERS)


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
            "sdk": {"ksdk_minimum_version": "0.0.0", "ksdk_latest_version": "0.0.0", "docker_minimum_version": "0.0.0", "components": {}},
            "schema": {"minimum_spec_version": "4.0.0", "latest_spec_version": "5.0.0"},
        }
    )
