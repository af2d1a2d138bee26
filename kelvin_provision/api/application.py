"""One request, from its head to its answer: host, route, method, level, handler; and every error as a document."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from kelvin_provision.api.messages.documents import failed, refused
from kelvin_provision.api.messages.faults import explained
from kelvin_provision.api.messages.refusals import Refusal
from kelvin_provision.api.network.underway import Underway
from kelvin_provision.api.routes.matching import Matching
from kelvin_provision.api.routes.table import ROWS, Row
from kelvin_provision.api.services import Call, Services
from kelvin_provision.api.ui.pages import Pages
from kelvin_provision.errors import ProvisionError

LONGEST_QUERY = 8192
LONGEST_HEAD = 16 << 10
"""h11 compares with this only a head that is not complete yet."""


class Application:
    """An ASGI application. Nothing is decided by the URL that Starlette builds, which contains the Host header."""

    def __init__(self, services: Services, rows: Sequence[Row] = ROWS) -> None:
        self._services = services
        self._underway = Underway(services.settings.connections)
        self._routes = Matching(rows)
        self._pages = Pages(services)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        address = request.client.host if request.client else ""
        try:
            with self._underway.one_more(address):
                response = await self._answer(request, address)
                await response(scope, receive, send)
        except Refusal as refusal:
            await refused(refusal)(scope, receive, send)
        except ClientDisconnect:
            return

    async def _answer(self, request: Request, address: str) -> Response:
        declared: tuple[int, ...] = ()
        try:
            host = self._services.hosts.checked(request.scope["headers"])
            _refuse_head(request.scope)
            if self._pages.has(request.scope["path"]):
                return await self._pages.answer(request, host, address)
            row = self._routes.find(request.scope)
            declared = row.errors
            caller = self._services.authenticator.principal(request.headers.get("authorization"), address) if row.level else None
            if caller and row.level:
                caller.require(row.level)
            return await row.handler(Call(request, self._services, host, address, caller))
        except Refusal as refusal:
            return refused(refusal)
        except ProvisionError as error:
            return failed(error, declared)
        except ClientDisconnect:
            raise
        except Exception as error:  # noqa: BLE001  (the edge: trouble of the box, or a bug of ours)
            return failed(explained(error, request.scope), declared)


def _refuse_head(scope: Scope) -> None:
    """Refuse a head that is too long, or that states its body's length or its user twice: a proxy in between may believe the other one."""
    headers, close = scope["headers"], {"connection": "close"}
    if {b"content-length", b"transfer-encoding"} <= {name for name, _ in headers}:
        raise Refusal("bad-http", "a request has Content-Length or Transfer-Encoding, not both", headers=close)
    if [name for name, _ in headers].count(b"authorization") > 1:
        raise Refusal("bad-http", "a request has one Authorization header", headers=close)
    if len(scope["raw_path"]) + sum(len(name) + len(value) + 4 for name, value in headers) > LONGEST_HEAD:
        raise Refusal("bad-http", f"the head of a request may have {LONGEST_HEAD} bytes", headers=close)
    if len(scope["query_string"]) > LONGEST_QUERY:
        raise Refusal("query-too-long", f"the query may have {LONGEST_QUERY} bytes")
