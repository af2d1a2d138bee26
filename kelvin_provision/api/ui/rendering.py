"""Templates to answers, with the headers that every page has.

Jinja2 is imported by the first page: a box whose API only programs use does not have it in memory.
"""

from __future__ import annotations

import json
import os
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from starlette.responses import Response

from kelvin_provision import __version__, timestamps
from kelvin_provision.access.levels import Level
from kelvin_provision.api.messages import documents
from kelvin_provision.api.messages.documents import solution, solution_of
from kelvin_provision.api.messages.refusals import Refusal
from kelvin_provision.api.messages.statuses import status_of
from kelvin_provision.api.services import Call
from kelvin_provision.api.ui.handlers.assets import urls
from kelvin_provision.api.ui.strings.texts import texts_of
from kelvin_provision.errors import ProvisionError
from kelvin_provision.masking.controls import harmless
from kelvin_provision.quantity import format_bytes
from kelvin_provision.queries.explaining.explanations import meaning

if TYPE_CHECKING:
    from jinja2 import Environment

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    **documents.HEADERS,
    "content-security-policy": POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    "vary": "Accept-Language, Accept-Encoding",
}
"""With `no-referrer` browsers call the origin of a form `null`, also of our own: those that send no Sec-Fetch-Site could change nothing."""
_FOR_PEOPLE = "invalid-grant level-needed other-origin too-many-attempts too-many-streams upload-busy upload-unfinished user-locked"
_FOR_PROGRAMS = "bad-body bad-header bad-http bad-query body-too-large method-refused offset-mismatch route-unknown"
REFUSED = dict.fromkeys(_FOR_PEOPLE.split(), True) | dict.fromkeys(_FOR_PROGRAMS.split(), False)
"""The refusals that a page may show, and whether their next step is one for people, or for who writes a program."""
_TEMPLATES = Path(__file__).parent / "templates"


@lru_cache(1)
def environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_visible,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters |= {"local": timestamps.local, "bytes": format_bytes, "value": _as_text}
    made.globals |= {"assets": urls(), "version": __version__, "box": os.uname().nodename}
    return made


def _visible(value: Any) -> Any:
    """Titles, errors and registry texts may have characters that reorder a line or end it."""
    return harmless(value) if type(value) is str else value


def _as_text(value: Any) -> str:
    """A value of a document, on lines of its own where it is more than a text or a number."""
    return value if isinstance(value, str) else json.dumps(value, indent=1, ensure_ascii=False)


def page(call: Call, template: str, status: int = 200, *, headers: dict[str, str] | None = None, **values: Any) -> Response:
    who, texts = call.caller, texts_of(call.request)
    common = {
        "_": texts,
        "user": who.name if who else "",
        **{f"may_{level}": bool(who and who.level.allows(level)) for level in (Level.OPERATE, Level.DEPLOY, Level.ADMIN)},
        "seen": version_text(getattr(call.request.state, "version", None)),
        "now": timestamps.rfc3339_now(),
    }
    text = environment().get_template(template).render(**common, **values)
    sent = {**HEADERS, "content-language": texts.language, **(headers or {})}
    return Response(text.encode("utf-8", "replace"), status, sent, "text/html")


def version_text(version: object) -> str:
    """That of the ledger which a page shows: an open page is as new as the stream of events says, or it is not."""
    return "-".join(map(str, version)) if isinstance(version, tuple) else ""


def see_other(path: str) -> Response:
    """After a form: a reload of what follows does not send it again."""
    return Response(status_code=303, headers={**HEADERS, "location": quote(path, safe="/?=&%")})


def refusal_page(call: Call, refusal: Refusal) -> Response:
    """Title and next step are in the table of texts; what is wrong with this request is not."""
    kind = refusal.kind
    hint = solution(refusal.solution or (kind.solution if REFUSED.get(refusal.name) else ""))
    values = {"title": kind.title, "text": refusal.description, "hint": hint, "evidence": ()}
    return page(call, "error.html", kind.status, headers=refusal.headers, ours=True, **values)


def failure(call: Call, error: ProvisionError) -> Response:
    """406 is 409 here: browsers read it as a matter of the form of the answer."""
    status = status_of(error, (406, 409))
    title, hint = meaning(type(error)), solution_of(error)
    values: dict[str, Any] = {"title": title, "text": str(error), "hint": hint, "evidence": error.evidence}
    return page(call, "error.html", 409 if status == 406 else status, ours=False, **values)
