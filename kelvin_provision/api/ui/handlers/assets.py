"""The stylesheet, the script and the icon: below the hash of their content, so that a browser keeps them for good."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from starlette.responses import Response

from kelvin_provision.api.messages.refusals import Refusal
from kelvin_provision.api.services import Call
from kelvin_provision.api.ui.compression import accepts, gzipped
from kelvin_provision.api.ui.strings.texts import deferred
from kelvin_provision.files.hashing import sha256_hex

FOLDER = Path(__file__).parents[1] / "assets"
_TYPES = {"edge.css": "text/css", "edge.js": "text/javascript", "icon.svg": "image/svg+xml"}
_FOR_GOOD = {
    "cache-control": "public, max-age=31536000, immutable",
    "x-content-type-options": "nosniff",
    "cross-origin-resource-policy": "same-origin",
    "vary": "Accept-Encoding",
    "content-security-policy": "default-src 'none'; sandbox",
}
"""The policy is that of an asset which is opened by itself."""


@lru_cache(1)
def _all() -> dict[str, tuple[str, bytes, bytes]]:
    """The hash and the content of each, and that in gzip."""
    contents = {name: (FOLDER / name).read_bytes() for name in _TYPES}
    return {name: (sha256_hex(content)[:16], content, gzipped(content)) for name, content in contents.items()}


def urls() -> dict[str, str]:
    return {name.partition(".")[2]: f"/ui/assets/{digest}/{name}" for name, (digest, _, _) in _all().items()}


async def asset(call: Call) -> Response:
    digest, name = call.in_path("digest"), call.in_path("name")
    known = _all().get(name)
    if known is None or known[0] != digest:
        raise Refusal("route-unknown", f"there is no {name[:60]!r} of that version", deferred("load the page again"))
    if accepts(call.request):
        return Response(known[2], headers={**_FOR_GOOD, "content-encoding": "gzip"}, media_type=_TYPES[name])
    return Response(known[1], headers=_FOR_GOOD, media_type=_TYPES[name])
