"""The box itself, `/edge/v1/*`: its disks and images, its health, its settings, and the file for support.

What needs cluster or runtime is asked of the agent.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

from starlette.responses import Response

from kelvin_provision.api.messages.body import content, fields_in, fields_of, true_or_false
from kelvin_provision.api.messages.documents import HEADERS, answer, solution
from kelvin_provision.api.messages.parameters import flag, refuse_unknown
from kelvin_provision.api.messages.refusals import Refusal
from kelvin_provision.api.messages.streams import Streamed, lines_of
from kelvin_provision.api.services import Call
from kelvin_provision.api.work.asking import asked, job, result_of_job
from kelvin_provision.bundles.inventories.inventory import MEDIA_TYPE, encode, file_name
from kelvin_provision.checks import box as queries
from kelvin_provision.errors import UsageRefused
from kelvin_provision.queries.explaining import explain as explaining
from kelvin_provision.queries.items import order_to_json
from kelvin_provision.status import Verb
from kelvin_provision.usecases.order import Change, order

GZIP = "application/gzip"
DOCTOR, SETTINGS, HISTORY = 60.0, 20.0, 600.0
"""Seconds that these may take."""


async def box(call: Call) -> Response:
    refuse_unknown(call.request.query_params.keys(), ())
    counted = await call.box.cached("counts", queries.counts)
    return answer(await call.box.ask(lambda ctx: queries.box(ctx, counted).to_json()))


async def disk(call: Call) -> Response:
    refuse_unknown(call.request.query_params.keys(), ())
    return answer(await asked(call.box, "disk", {}))


async def doctor(call: Call) -> Response:
    """With `online`, the registries too."""
    query = call.request.query_params
    refuse_unknown(query.keys(), ("online",))
    return answer(await result_of_job(call.box, "doctor", {"online": flag(query, "online") or False}, DOCTOR))


async def settings(call: Call) -> Response:
    refuse_unknown(call.request.query_params.keys(), ())
    return answer(await result_of_job(call.box, "settings", {}, SETTINGS))


async def explain(call: Call) -> Response:
    """What a state, an error or an exit code means."""
    refuse_unknown(call.request.query_params.keys(), ())
    word = call.in_path("word")
    try:
        explained = explaining.explain(word)
    except UsageRefused as error:
        raise Refusal("word-unknown", str(error), error.hint) from error
    return answer(explained.to_json(solution))


async def words(call: Call) -> Response:
    refuse_unknown(call.request.query_params.keys(), ())
    return answer({"words": [word.to_json() for word in explaining.words()]})


async def verified_history(call: Call) -> Response:
    await fields_of(call.request, ())
    return answer(await result_of_job(call.box, "verify-history", {}, HISTORY))


# --- images ---------------------------------------------------------------------------------------


async def images(call: Call) -> Response:
    refuse_unknown(call.request.query_params.keys(), ())
    return answer(await asked(call.box, "images", {}))


async def inventory(call: Call) -> Response:
    """What this box has, as a file for `bundle create --for FILE`."""
    refuse_unknown(call.request.query_params.keys(), ())
    return await inventory_file(call, {})


async def inventory_file(call: Call, headers: Mapping[str, str]) -> Response:
    document = await asked(call.box, "inventory", {})
    name = file_name(document["box"])
    return Response(encode(document), 200, {**HEADERS, **headers, "content-disposition": f'attachment; filename="{name}"'}, MEDIA_TYPE)


async def verified_images(call: Call) -> Response:
    """A line for each second of progress; the last one has the result, or an error."""
    await fields_of(call.request, ())
    return await lines_of(job(call.box, "verify-images", {}))


async def planned_prune(call: Call) -> Response:
    """What a prune would remove."""
    query = call.request.query_params
    refuse_unknown(query.keys(), ("orphans",))
    return answer(await asked(call.box, "prune", {"orphans": flag(query, "orphans") or False}))


async def prune(call: Call) -> Response:
    """The answer is the order; what was freed is its note."""
    body = await content(call.request)
    orphans = true_or_false(fields_in(body, ("orphans",)), "orphans")
    ordered = await call.box.act(call.principal.actor, order, Change(Verb.PRUNE, (), call.digest(body), orphans=orphans))
    return answer({"order": order_to_json(ordered.order)}, 202)


# --- the file for support -------------------------------------------------------------------------


async def support_bundle(call: Call) -> Response:
    """Without a byte of it ever on a disk of the API."""
    await fields_of(call.request, ())
    return await made_bundle(call, {})


async def made_bundle(call: Call, headers: Mapping[str, str]) -> Response:
    lines = job(call.box, "support-bundle", {})
    name = (await anext(lines))["progress"]["name"]
    return Streamed(_unpacked(lines), GZIP, {**headers, "content-disposition": f'attachment; filename="{name}.tar.gz"'})


async def _unpacked(lines: AsyncGenerator[dict[str, Any], None]) -> AsyncGenerator[bytes, None]:
    async with aclosing(lines):
        async for line in lines:
            if "data" in line:
                yield base64.b64decode(line["data"])
