"""Bundles as the agent is asked about them: it reads them, in a process of its own.

It may read where the API may not, and only there is known what the box lacks. A bundle is named by the identifier of an upload or by its
digest: no path comes from afar.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Mapping
from typing import Any

from kelvin_provision.api.messages.refusals import Refusal
from kelvin_provision.api.work.asking import job, result_of_job
from kelvin_provision.api.work.box import Box
from kelvin_provision.api.work.uploading import Uploading

MEDIA, INSPECT = 60.0, 600.0
"""Seconds that these may take: a stick may be slow, and an announced hash is over all bytes."""
_DIGEST = re.compile(r"(?:sha256:)?[0-9a-f]{64}")

Named = Mapping[str, str]
"""A bundle, as the agent is told of it."""


async def of_upload(uploading: Uploading, identifier: str) -> Named:
    """Raises UploadUnknown, Refusal for one that is not complete."""
    upload = await uploading.do(lambda: uploading.uploads.get(identifier))
    if not upload.complete:
        text = f"{upload.offset} of {upload.announced.size} bytes are here"
        raise Refusal("upload-unfinished", text, payload={"offset": upload.offset})
    return {"upload": identifier}


def of_medium(digest: str) -> Named:
    """Raises Refusal."""
    return {"medium": checked_digest(digest, "bad-query", "the bundle in the path")}


def checked_digest(text: Any, kind: str, what: str) -> str:
    """With its algorithm; people also write it without. Raises Refusal."""
    if not isinstance(text, str) or not _DIGEST.fullmatch(text):
        raise Refusal(kind, f"{what} is not sha256: with 64 hexadecimal digits in lower case")
    return f"sha256:{text.removeprefix('sha256:')}"


async def on_media(box: Box) -> Any:
    """Those on media that are in this box. Raises what the agent raises."""
    return await result_of_job(box, "media", {}, MEDIA)


async def inspected(box: Box, bundle: Named, expect: str = "") -> Any:
    """Who signed it, and what it brings. Raises what the agent raises."""
    return await result_of_job(box, "inspect-bundle", {**bundle, "expect": expect}, INSPECT)


def verified(box: Box, bundle: Named, expect: str = "") -> AsyncGenerator[dict[str, Any], None]:
    """Every byte of it: progress, then the result. Raises what the agent raises."""
    return job(box, "verify-bundle", {**bundle, "expect": expect})
