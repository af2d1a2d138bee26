"""Bundles as the agent is asked about them: it reads them, in a process of its own.

It may read where the API may not, and only there is known what the box lacks. A bundle is named by the identifier of an upload or by its
digest: no path comes from afar.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import Any

from kelvin_provision.api.messages.documents import error_of
from kelvin_provision.api.messages.refusals import Refusal
from kelvin_provision.api.work.asking import job, result_of_job
from kelvin_provision.api.work.box import Box
from kelvin_provision.api.work.imports import SOON, Imports
from kelvin_provision.api.work.repeats import Made
from kelvin_provision.api.work.uploading import Uploading
from kelvin_provision.errors.documents import from_document
from kelvin_provision.ledger import repeats

MEDIA, INSPECT, IMPORT = 60.0, 600.0, 6 * 3600.0
"""Seconds that these may take: sticks are slow, an announced hash is over all bytes, and images without a request are copied at once."""
_DIGEST = re.compile(r"(?:sha256:)?[0-9a-f]{64}")


@dataclass(frozen=True)
class Imported:
    """What an import has brought, and that as a document."""

    made: Made
    document: dict[str, Any]


Named = Mapping[str, str]
"""A bundle, as the agent is told of it."""


async def in_path(uploading: Uploading, parameters: Mapping[str, str]) -> Named:
    """The one that the path of a request names. Raises UploadUnknown, Refusal, also for an upload that is not complete."""
    bundle = named_in(parameters)
    await _must_be_complete(uploading, bundle)
    return bundle


def named_in(parameters: Mapping[str, str]) -> Named:
    """The same, whether it is there or not. Raises Refusal."""
    if "upload" in parameters:
        return {"upload": parameters["upload"]}
    return {"medium": checked_digest(parameters["bundle"], "bad-query", "the bundle in the path")}


async def _must_be_complete(uploading: Uploading, bundle: Named) -> None:
    if "upload" in bundle:
        upload = await uploading.do(uploading.uploads.get, bundle["upload"])
        if not upload.complete:
            text = f"{upload.offset} of {upload.announced.size} bytes are here"
            raise Refusal("upload-unfinished", text, payload={"offset": upload.offset})


def checked_digest(text: Any, kind: str, what: str) -> str:
    """With its algorithm; people also write it without. Raises Refusal."""
    if not isinstance(text, str) or not _DIGEST.fullmatch(text):
        raise Refusal(kind, f"{what} is not sha256: with 64 hexadecimal digits in lower case")
    return f"sha256:{text.removeprefix('sha256:')}"


async def on_media(box: Box) -> Any:
    """The bundles on all media that are in this box. Raises what the agent raises."""
    return await result_of_job(box, "media", {}, MEDIA)


async def inspected(box: Box, bundle: Named, expect: str = "") -> Any:
    """Who signed it, what it brings, what an import would do, or why it cannot be imported. Raises what the agent raises."""
    document = await result_of_job(box, "inspect-bundle", {**bundle, "expect": expect}, INSPECT)
    obstacle = document["obstacle"]
    return {**document, "obstacle": obstacle and error_of(from_document(obstacle))}


@dataclass(frozen=True)
class Wish:
    """What is to be imported, for whom. `key` is equal for the same request of the same user."""

    key: str
    actor: str
    bundle: Named
    expect: str = ""
    images_only: bool = False
    allow_older: bool = False


async def import_once(box: Box, imports: Imports, uploading: Uploading, wish: Wish, patience: float = SOON) -> Imported | None:
    """What it has brought, however often the same is asked for; None while it is under way. Raises as `in_path`, and what the agent raises.

    An upload is removed when all of it is on the box: who asks again then hears what was brought all the same.
    """

    def failed(text: str) -> None:
        box.record(wish.actor, "bundle import", "failed", text)

    async def stands(done: Imported) -> bool:
        return await box.ask(done.made.stands)

    done: Imported | None = await imports.result(wish.key, lambda: _imported(box, uploading, wish), stands, failed, patience)
    return done


async def _imported(box: Box, uploading: Uploading, wish: Wish) -> Imported:
    await _must_be_complete(uploading, wish.bundle)
    before = await box.ask(lambda ctx: repeats.point(ctx.ledger))
    flags = {"images_only": wish.images_only, "allow_older": wish.allow_older}
    arguments = {**wish.bundle, "expect": wish.expect, **flags, "actor": wish.actor}
    document = await result_of_job(box, "import-bundle", arguments, IMPORT)
    names = tuple(accepted["workload"] for accepted in document["accepted"])
    return Imported(Made(names, document.pop("batch"), before), document)


def verified(box: Box, bundle: Named, expect: str = "") -> AsyncGenerator[dict[str, Any], None]:
    """Every byte of it: progress, then the result. Raises what the agent raises."""
    return job(box, "verify-bundle", {**bundle, "expect": expect})
