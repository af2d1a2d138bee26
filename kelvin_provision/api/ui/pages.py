"""One request of a browser: which page, whose session, from which origin; every error as a page."""

from __future__ import annotations

from dataclasses import replace

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from kelvin_provision.api.messages.faults import explained
from kelvin_provision.api.messages.refusals import Refusal
from kelvin_provision.api.routes.matching import Matching
from kelvin_provision.api.services import Call, Services
from kelvin_provision.api.ui import origin
from kelvin_provision.api.ui.compression import compressed
from kelvin_provision.api.ui.cookies import session_text
from kelvin_provision.api.ui.rendering import HEADERS, failure, refusal_page, see_other
from kelvin_provision.api.ui.table import PAGES, Page
from kelvin_provision.errors import ProvisionError
from kelvin_provision.hints import command

LIVE = "x-live"
"""The header of a page that refreshes itself: it keeps no session alive."""


class Pages:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._matching = Matching[Page](PAGES)

    def has(self, path: str) -> bool:
        """Raises Refusal for one of a box without pages."""
        known = path in {"/", "/ui"} or path.startswith("/ui/")
        if known and not self._services.settings.ui:
            raise Refusal("route-unknown", "the pages of this box are switched off (api.ui)", command("config set", "api.ui", "true"))
        return known

    async def answer(self, request: Request, host: str, address: str) -> Response:
        return compressed(request, await self._answer(request, host, address))

    async def _answer(self, request: Request, host: str, address: str) -> Response:
        call = Call(request, self._services, host, address)
        try:
            page = self._matching.find(request.scope)
            call = self._with_session(call, touch=not page.endless)
            _refuse_mixed(request)
            if page.method != "GET":
                origin.refuse_other(request.headers, call.base)
            if page.level:
                if call.caller is None:
                    return _to_login(request, by_script=page.endless or page.script or LIVE in request.headers)
                call.caller.require(page.level)
            request.state.version = self._services.box.version()  # before anything is read: what changes meanwhile is another
            return await page.answer(call)
        except Refusal as refusal:
            return refusal_page(call, refusal)
        except ProvisionError as error:
            return failure(call, error)
        except ClientDisconnect:
            raise
        except Exception as error:  # noqa: BLE001  (the edge: trouble of the box, or a bug of ours)
            return failure(call, explained(error, request.scope))

    def _with_session(self, call: Call, *, touch: bool) -> Call:
        text = session_text(call.request)
        touch = touch and LIVE not in call.request.headers
        return replace(call, caller=self._services.sessions.principal(text, call.address, touch=touch) if text else None)


def _refuse_mixed(request: Request) -> None:
    """A token and a session in one request may be two people."""
    if "authorization" in request.headers:
        raise Refusal("bad-http", "pages have sessions; a request with a token belongs to the routes of the API")


def _to_login(request: Request, *, by_script: bool) -> Response:
    """What a script asks is answered 401, a person gets the page."""
    if by_script:
        return Response(status_code=401, headers=HEADERS)
    path = request.scope["path"] if request.scope["method"] in {"GET", "HEAD"} else "/ui/"
    return see_other("/ui/login" if path in {"/", "/ui", "/ui/"} else f"/ui/login?next={path}")
