"""Bundles that are sent to the box: the file in chunks, by the script of the page; then what is in it, before anything of it is staged."""

from __future__ import annotations

from starlette.responses import Response

from kelvin_provision.api.messages.parameters import refuse_unknown
from kelvin_provision.api.routes import uploads
from kelvin_provision.api.services import Call
from kelvin_provision.api.ui.forms import form_of
from kelvin_provision.api.ui.rendering import page, see_other
from kelvin_provision.api.work import bundles


async def listed(call: Call) -> Response:
    refuse_unknown(call.request.query_params.keys(), ())
    uploading = call.services.uploading
    return page(call, "uploads.html", uploads=await uploading.do(uploading.uploads.all))


async def begin(call: Call) -> Response:
    return await uploads.begin(call)


async def append(call: Call) -> Response:
    return await uploads.append(call)


async def shown(call: Call) -> Response:
    """Who signed it, and what it brings. Nothing is stored."""
    refuse_unknown(call.request.query_params.keys(), ())
    identifier = str(call.request.path_params["upload"])
    bundle = await bundles.inspected(call.box, await bundles.of_upload(call.services.uploading, identifier))
    return page(call, "bundle.html", bundle=bundle, back="/ui/uploads", upload=identifier)


async def remove(call: Call) -> Response:
    await form_of(call, ())
    await uploads.remove(call)
    return see_other("/ui/uploads")
