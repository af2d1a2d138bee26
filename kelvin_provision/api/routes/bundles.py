"""Bundles on media in this box and uploaded ones, `/edge/v1/media/*`, `/edge/v1/uploads/{upload}/*`; and `/edge/v1/trust`."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

from starlette.responses import Response

from kelvin_provision.api.messages.body import content, fields_in, fields_of, true_or_false
from kelvin_provision.api.messages.documents import answer
from kelvin_provision.api.messages.parameters import refuse_unknown
from kelvin_provision.api.messages.refusals import Refusal
from kelvin_provision.api.messages.streams import lines_of
from kelvin_provision.api.services import Call
from kelvin_provision.api.work import bundles
from kelvin_provision.context import Context
from kelvin_provision.trust.documents import loose
from kelvin_provision.trust.documents.model import MOST, SignedDocument
from kelvin_provision.usecases.bundles.trust import showing
from kelvin_provision.usecases.bundles.trust.importing import ImportTrustResult, accept_documents


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
    bundle = bundles.named_in(call.request.path_params)
    wish = bundles.Wish(call.digest(body), call.principal.actor, bundle, _expected(fields), images_only, allow_older)
    done = await bundles.import_once(call.box, call.services.imports, call.services.uploading, wish)
    return answer(done.document) if done else answer({"state": "under way"}, 202)


# --- trust documents --------------------------------------------------------------------------------


async def trust(call: Call) -> Response:
    """Whose signatures count here, what is revoked, and which trust documents were accepted."""
    refuse_unknown(call.request.query_params.keys(), ())
    return answer(await call.box.ask(_shown_trust))


def _shown_trust(ctx: Context) -> dict[str, Any]:
    return {"trust": showing.document_to_json(showing.believed(ctx)), "documents": showing.history_to_json(showing.accepted(ctx))}


async def accept_trust(call: Call) -> Response:
    """Signatures decide what is accepted; the same documents again change nothing."""
    refuse_unknown(call.request.query_params.keys(), ())
    given = fields_in(await content(call.request), ("documents",)).get("documents")
    if not isinstance(given, list) or not 0 < len(given) <= MOST:
        raise Refusal("bad-body", f"documents is not a list of 1 to {MOST} trust documents")
    documents = [_document(number, item) for number, item in enumerate(given, 1)]
    result = await call.box.act(call.principal.actor, _accepted, documents)
    return answer(result.to_json())


def _accepted(ctx: Context, documents: Sequence[SignedDocument]) -> ImportTrustResult:
    return accept_documents(ctx, loose.in_order(documents), origin="from the API")


def _document(number: int, item: object) -> SignedDocument:
    """The exact bytes, which are signed. Raises Refusal."""
    if not isinstance(item, dict) or set(item) != {"content", "signatures"}:
        raise Refusal("bad-body", f"document {number} is not an object with content and signatures")
    try:
        content, signatures = (base64.b64decode(item[name], validate=True) for name in ("content", "signatures"))
    except (TypeError, ValueError) as error:
        raise Refusal("bad-body", f"document {number}: content and signatures are not base64") from error
    return SignedDocument(content, signatures)


async def _named(call: Call) -> bundles.Named:
    return await bundles.in_path(call.services.uploading, call.request.path_params)


def _expected(fields: dict[str, Any]) -> str:
    return bundles.checked_digest(fields["expect"], "bad-body", "expect") if "expect" in fields else ""
