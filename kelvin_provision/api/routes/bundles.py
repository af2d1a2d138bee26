"""Bundles, `/edge/v1/media/*` and `/edge/v1/uploads/{upload}/*`: on media that are in this box, and uploaded."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from kelvin_provision.api.messages.body import content, fields_in, fields_of, true_or_false
from kelvin_provision.api.messages.documents import answer
from kelvin_provision.api.messages.parameters import refuse_unknown
from kelvin_provision.api.messages.streams import lines_of
from kelvin_provision.api.services import Call
from kelvin_provision.api.work import bundles


async def media(call: Call) -> Response:
    refuse_unknown(call.request.query_params.keys(), ())
    return answer(await bundles.on_media(call.box))


async def inspect_bundle(call: Call) -> Response:
    refuse_unknown(call.request.query_params.keys(), ())
    expect = _expected(await fields_of(call.request, ("expect",)))
    return answer(await bundles.inspected(call.box, await _named(call), expect))


async def verify_bundle(call: Call) -> Response:
    """A line for each second of progress; the last one has the result, or an error."""
    refuse_unknown(call.request.query_params.keys(), ())
    expect = _expected(await fields_of(call.request, ("expect",)))
    return await lines_of(bundles.verified(call.box, await _named(call), expect))


async def import_bundle(call: Call) -> Response:
    """200 with what was brought; 202 while it is under way. The same request again is answered with the end of the same import."""
    refuse_unknown(call.request.query_params.keys(), ())
    body = await content(call.request)
    fields = fields_in(body, ("expect", "images_only", "allow_older"))
    images_only, allow_older = true_or_false(fields, "images_only"), true_or_false(fields, "allow_older")
    wish = bundles.Wish(call.digest(body), call.principal.actor, await _named(call), _expected(fields), images_only, allow_older)
    done = await bundles.import_once(call.box, call.services.imports, wish)
    return answer(done.document) if done else answer({"state": "under way"}, 202)


async def _named(call: Call) -> bundles.Named:
    return await bundles.in_path(call.services.uploading, call.request.path_params)


def _expected(fields: dict[str, Any]) -> str:
    return bundles.checked_digest(fields["expect"], "bad-body", "expect") if "expect" in fields else ""
