"""Bundles on sticks that are in the box."""

from __future__ import annotations

from starlette.responses import Response

from kelvin_provision.api.messages.parameters import refuse_unknown
from kelvin_provision.api.services import Call
from kelvin_provision.api.ui.rendering import page
from kelvin_provision.api.work import bundles


async def listed(call: Call) -> Response:
    refuse_unknown(call.request.query_params.keys(), ())
    return page(call, "media.html", media=await bundles.on_media(call.box))


async def shown(call: Call) -> Response:
    """Who signed it, and what it brings. Nothing is stored."""
    refuse_unknown(call.request.query_params.keys(), ())
    bundle = await bundles.inspected(call.box, bundles.of_medium(str(call.request.path_params["bundle"])))
    return page(call, "bundle.html", bundle=bundle, back="/ui/media", upload="")
