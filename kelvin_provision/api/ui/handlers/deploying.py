"""A deploy: a request is pasted or chosen as a file, shown as it would be staged, and then staged.

The form that stages carries the request as it was checked; it is checked again then.
"""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from kelvin_provision.api.messages.body import LARGEST, content
from kelvin_provision.api.messages.multipart import multipart_fields
from kelvin_provision.api.messages.parameters import refuse_unknown
from kelvin_provision.api.messages.refusals import Refusal
from kelvin_provision.api.revisions import revised
from kelvin_provision.api.services import Call
from kelvin_provision.api.ui.rendering import page, see_other
from kelvin_provision.api.ui.strings.texts import texts_of
from kelvin_provision.api.ui.words import METHODS
from kelvin_provision.api.work.deploying import Head
from kelvin_provision.errors import RequestRefused, SecretMissing

_AROUND = 4096
"""Bytes of a form beside the request."""


async def form_page(call: Call) -> Response:
    refuse_unknown(call.request.query_params.keys(), ())
    return _form(call)


async def check(call: Call) -> Response:
    """What would be staged, or what is wrong with it. Nothing is stored."""
    text, wrong = await _text(call, ("text", "file"))
    if wrong:
        return _form(call, 400, text=text, wrong=wrong)
    try:
        considered = await call.services.deploy(_head(call, text, only_check=True), text.encode())
    except (RequestRefused, SecretMissing) as error:
        return _form(call, 400, text=text, wrong=str(error), findings=error.evidence)
    existing = await call.box.ask(lambda ctx: ctx.ledger.existing(considered.names))
    values: dict[str, Any] = {"specs": considered.specs, "warnings": considered.warnings, "existing": existing, "methods": METHODS}
    return page(call, "deploy-check.html", text=text, **values)


async def deploy(call: Call) -> Response:
    """The same form again within a minute makes no second revision."""
    text, wrong = await _text(call, ("text",))
    if wrong:
        return _form(call, 400, text=text, wrong=wrong)
    names = await revised(call, _head(call, text), text.encode())
    return see_other(f"/ui/workloads/{names[0]}" if len(names) == 1 else "/ui/")


def _form(call: Call, status: int = 200, **more: Any) -> Response:
    values = {"text": "", "wrong": "", "findings": ()} | more
    return page(call, "deploy.html", status, largest=LARGEST, **values)


def _head(call: Call, text: str, *, only_check: bool = False) -> Head:
    form = "json" if text.lstrip()[:1] in {"{", "["} else "yaml"
    return Head(call.principal.actor, form=form, only_check=only_check)


async def _text(call: Call, names: tuple[str, ...]) -> tuple[str, str]:
    """The request, from the file if one was chosen, and what a person must correct. Browsers send lines with CRLF. Raises Refusal."""
    _, fields = texts_of(call.request), multipart_fields(call.request, await content(call.request, LARGEST + _AROUND))
    if set(fields) != set(names):
        raise Refusal("bad-body", f"the form has the fields {', '.join(names)}, and no others")
    data = fields.get("file", b"") or fields["text"]
    if not data.strip():
        return "", _("There is no request: paste one, or choose a file.")
    if len(data) > LARGEST:
        raise Refusal("body-too-large", f"a request may have {LARGEST} bytes")
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n"), ""
    except UnicodeDecodeError as error:
        return "", _("This is not a text in UTF-8: byte {number} is not valid.", number=error.start)
