"""Bundles, `/edge/v1/media/*` and `/edge/v1/uploads/{upload}/*`: on media that are in this box, and uploaded."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.responses import Response

from kelvin_provision.api.messages.body import content, fields_in, fields_of, true_or_false
from kelvin_provision.api.messages.documents import answer
from kelvin_provision.api.messages.parameters import refuse_unknown
from kelvin_provision.api.messages.streams import lines_of
from kelvin_provision.api.services import Call
from kelvin_provision.api.work import bundles

Find = Callable[[Call], Awaitable[bundles.Named]]


async def media(call: Call) -> Response:
    refuse_unknown(call.request.query_params.keys(), ())
    return answer(await bundles.on_media(call.box))


async def inspect_upload(call: Call) -> Response:
    return await _inspected(call, _upload)


async def inspect_medium(call: Call) -> Response:
    return await _inspected(call, _medium)


async def verify_upload(call: Call) -> Response:
    return await _verified(call, _upload)


async def verify_medium(call: Call) -> Response:
    return await _verified(call, _medium)


async def import_upload(call: Call) -> Response:
    return await _imported(call, _upload)


async def import_medium(call: Call) -> Response:
    return await _imported(call, _medium)


async def _inspected(call: Call, bundle: Find) -> Response:
    expect = await _expected(call)
    return answer(await bundles.inspected(call.box, await bundle(call), expect))


async def _verified(call: Call, bundle: Find) -> Response:
    """A line for each second of progress; the last one has the result, or an error."""
    expect = await _expected(call)
    return await lines_of(bundles.verified(call.box, await bundle(call), expect))


async def _imported(call: Call, bundle: Find) -> Response:
    """200 with what was brought; 202 while it is under way. The same request again is answered with the end of the same import."""
    refuse_unknown(call.request.query_params.keys(), ())
    body = await content(call.request)
    fields = fields_in(body, ("expect", "images_only"))
    expect = bundles.checked_digest(fields["expect"], "bad-body", "expect") if "expect" in fields else ""
    images_only = true_or_false(fields, "images_only")
    wish = bundles.Wish(call.digest(body), call.principal.actor, await bundle(call), expect, images_only)
    done = await bundles.import_once(call.box, call.services.imports, wish)
    return answer(done.document) if done else answer({"state": "under way"}, 202)


async def _upload(call: Call) -> bundles.Named:
    return await bundles.of_upload(call.services.uploading, _path(call, "upload"))


async def _medium(call: Call) -> bundles.Named:
    return bundles.of_medium(_path(call, "bundle"))


async def _expected(call: Call) -> str:
    refuse_unknown(call.request.query_params.keys(), ())
    given = (await fields_of(call.request, ("expect",))).get("expect")
    return "" if given is None else bundles.checked_digest(given, "bad-body", "expect")


def _path(call: Call, name: str) -> str:
    return str(call.request.path_params[name])
