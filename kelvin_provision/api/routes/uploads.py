"""Files in chunks, `/edge/v1/uploads`: any break of the connection costs the bytes that were not acknowledged, and no more.

The words are those of the protocol tus 1.0 and of the draft "Resumable Uploads for HTTP" of the IETF: Upload-Offset, Upload-Length,
Upload-Complete. The pages use the same handlers.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

from starlette.responses import Response

from kelvin_provision.api.messages.body import fields_of, whole_number
from kelvin_provision.api.messages.documents import HEADERS, answer
from kelvin_provision.api.messages.parameters import refuse_unknown
from kelvin_provision.api.messages.refusals import Refusal
from kelvin_provision.api.services import Call
from kelvin_provision.context import Context
from kelvin_provision.errors import Locked
from kelvin_provision.quantity import format_rounded, parse_count
from kelvin_provision.uploads import beginning
from kelvin_provision.uploads.folder import Uploads
from kelvin_provision.uploads.model import Announced, Upload
from kelvin_provision.uploads.writing import Writer
from kelvin_provision.usecases.bundles.uploaded import needed_uploads

CHUNK = 8 << 20
"""Bytes of one request."""
LARGEST = 1 << 46
LONGEST_NAME, LONGEST_MARK = 255, 128
_SHA256 = re.compile(r"[0-9a-f]{64}")
_EXAMPLE = 'send {"name": "line-3.kpb", "size": 4096}'


async def listed(call: Call) -> Response:
    refuse_unknown(call.request.query_params.keys(), ())
    uploads = await call.services.uploading.do(call.services.uploading.uploads.all)
    return answer({"uploads": [upload.to_json() for upload in uploads], "chunk": CHUNK})


async def begin(call: Call) -> Response:
    """201; 200 for one that is there already and goes on."""
    refuse_unknown(call.request.query_params.keys(), ())
    announced = _announced(await fields_of(call.request, ("name", "size", "sha256", "mark")))
    upload, is_new = await call.box.ask(_begun, call.services.uploading.uploads, announced, call.principal.name)
    if is_new:
        call.box.record(call.principal.actor, "upload", "begun", f"{announced.name[:100]}, {format_rounded(announced.size)}")
    where = {"location": f"/edge/v1/uploads/{upload.id}"}
    return answer(upload.to_json(), 201 if is_new else 200, headers={**_progress(upload), **where})


def _begun(ctx: Context, uploads: Uploads, announced: Announced, by: str) -> tuple[Upload, bool]:
    begun = beginning.begin(uploads, ctx.store, announced, created=ctx.ledger.clock(), by=by, headroom=ctx.settings.download.keep_free)
    return begun.upload, begun.is_new


def _announced(document: dict[str, Any]) -> Announced:
    name, sha256, mark = document.get("name"), document.get("sha256", ""), document.get("mark", "")
    size = whole_number(document.get("size"), LARGEST)
    if not isinstance(name, str) or not name.strip() or len(name) > LONGEST_NAME:
        raise Refusal("bad-body", f"an upload needs a name, of at most {LONGEST_NAME} characters", _EXAMPLE)
    if size is None:
        raise Refusal("bad-body", f"size is not a whole number from 1 to {LARGEST}", _EXAMPLE)
    if not isinstance(sha256, str) or (sha256 and not _SHA256.fullmatch(sha256)):
        raise Refusal("bad-body", "sha256 is not 64 hexadecimal digits in lower case")
    if not isinstance(mark, str) or len(mark) > LONGEST_MARK:
        raise Refusal("bad-body", f"mark is not a text of at most {LONGEST_MARK} characters")
    return Announced(name, size, sha256, mark)


async def shown(call: Call) -> Response:
    """How far it is, in the body and in the headers."""
    refuse_unknown(call.request.query_params.keys(), ())
    uploading = call.services.uploading
    upload = await uploading.do(uploading.uploads.get, call.in_path("upload"))
    return answer(upload.to_json(), headers=_progress(upload))


async def append(call: Call) -> Response:
    """The next bytes. 204 when they are durable."""
    refuse_unknown(call.request.query_params.keys(), ())
    uploading, request = call.services.uploading, call.request
    offset = _offset(request.headers.getlist("upload-offset"))
    declared = parse_count(request.headers.get("content-length", "0")) or 0
    if declared > CHUNK:
        raise _too_large()
    try:
        async with uploading.writing(call.in_path("upload")) as writer:
            if writer.at != offset:
                there = _progress(writer.upload)
                raise Refusal("offset-mismatch", f"the upload has {writer.at} bytes", payload={"offset": writer.at}, headers=there)
            if declared > writer.room:
                raise _too_long(writer)
            durable = await uploading.receive(writer, _bounded(request.stream(), writer))
    except Locked as error:
        raise Refusal("upload-busy", str(error)) from error
    return Response(status_code=204, headers={**HEADERS, **_headers(durable, writer.upload.announced.size)})


async def _bounded(parts: AsyncIterator[bytes], writer: Writer) -> AsyncIterator[bytes]:
    """Of a body that does not say its length, as much as is allowed."""
    size, room = 0, writer.room
    async for part in parts:
        size += len(part)
        if size > CHUNK:
            raise _too_large()
        if size > room:
            raise _too_long(writer)
        yield part


async def remove(call: Call) -> Response:
    refuse_unknown(call.request.query_params.keys(), ())
    uploading, identifier = call.services.uploading, call.in_path("upload")
    upload = await uploading.do(uploading.uploads.get, identifier)
    if identifier in await call.box.ask(needed_uploads):
        raise Refusal("upload-busy", "versions are being staged from this upload; it is removed by itself when they are on the box")
    try:
        await uploading.do(uploading.uploads.remove, identifier)
    except Locked as error:
        raise Refusal("upload-busy", str(error)) from error
    call.box.record(call.principal.actor, "upload", "removed", upload.announced.name[:100])
    return Response(status_code=204, headers=HEADERS)


def _offset(given: list[str]) -> int:
    offset = parse_count(given[0]) if len(given) == 1 else None
    if offset is None:
        raise Refusal("bad-header", "a request with bytes has one header Upload-Offset, which says where they begin", "Upload-Offset: 0")
    return offset


def _too_large() -> Refusal:
    return Refusal("body-too-large", f"one request may have {CHUNK} bytes of an upload", "send it in several, one after another")


def _too_long(writer: Writer) -> Refusal:
    return Refusal("body-too-large", f"{writer.room} bytes are missing to the size that was announced, and these are more")


def _progress(upload: Upload) -> dict[str, str]:
    return _headers(upload.offset, upload.announced.size)


def _headers(offset: int, size: int) -> dict[str, str]:
    return {"upload-offset": str(offset), "upload-length": str(size), "upload-complete": "?1" if offset == size else "?0"}
