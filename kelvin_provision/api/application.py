"""One request, from its head to its answer: host, route, method, level, handler; and every error as a document."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import Receive, Scope, Send

from kelvin_provision.api.messages.documents import failed, refused
from kelvin_provision.api.messages.refusals import Refusal
from kelvin_provision.api.network.underway import Underway
from kelvin_provision.api.routes.table import ROWS, Row
from kelvin_provision.api.services import Call, Services
from kelvin_provision.errors import OurBug, ProvisionError
from kelvin_provision.files.durable import trouble_of_box
from kelvin_provision.masking.redactor import mask_text

LONGEST_QUERY = 8192
LONGEST_HEAD = 16 << 10
"""h11 compares with this only a head that is not complete yet."""
LOG = logging.getLogger("kelvin_provision.api")


class Application:
    """An ASGI application. Nothing is decided by the URL that Starlette builds, which contains the Host header."""

    def __init__(self, services: Services, rows: Sequence[Row] = ROWS) -> None:
        self._services = services
        self._underway = Underway(services.settings.connections)
        paths: dict[str, dict[str, Row]] = {}
        for row in rows:
            paths.setdefault(row.path, {})[row.method] = row
        self._paths = [(Route(path, endpoint=_never), methods) for path, methods in paths.items()]

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
            row = self._row(request.scope)
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
            return failed(_explained(error, request.scope), declared)

    def _row(self, scope: Scope) -> Row:
        """The row of a request, with its path parameters in the scope. Raises Refusal."""
        for route, methods in self._paths:
            match, more = route.matches(scope)
            if match is Match.NONE:
                continue
            scope.update(more)
            known = {**methods, "HEAD": methods["GET"]} if "GET" in methods and not methods["GET"].changes else methods
            if scope["method"] in known:
                return known[scope["method"]]
            allowed = ", ".join(known)
            raise Refusal("method-refused", f"this route has {allowed}", headers={"allow": allowed})
        raise Refusal("route-unknown", f"there is no route {scope['path'][:200]!r}")


def _refuse_head(scope: Scope) -> None:
    """Too long, or with two lengths of its body: whatever is between it and this box may read the other one."""
    headers, close = scope["headers"], {"connection": "close"}
    if {b"content-length", b"transfer-encoding"} <= {name for name, _ in headers}:
        raise Refusal("bad-http", "a request has Content-Length or Transfer-Encoding, not both", headers=close)
    if len(scope["raw_path"]) + sum(len(name) + len(value) + 4 for name, value in headers) > LONGEST_HEAD:
        raise Refusal("bad-http", f"the head of a request may have {LONGEST_HEAD} bytes", headers=close)
    if len(scope["query_string"]) > LONGEST_QUERY:
        raise Refusal("query-too-long", f"the query may have {LONGEST_QUERY} bytes")


def _explained(error: Exception, scope: Scope) -> ProvisionError:
    trouble = trouble_of_box(error) if isinstance(error, OSError) else None
    request = f"{scope['method']} {mask_text(scope['raw_path'].decode('latin-1'))[:200]}"  # as it was sent: it is one line
    if trouble is None:
        LOG.error("%s", request, exc_info=error)
    return trouble or OurBug(f"{type(error).__name__} while answering {request}", hint="see the log of the API")


async def _never(_request: Request) -> Response:
    """Routes are only matched; their handlers are called by the application."""
    raise AssertionError
