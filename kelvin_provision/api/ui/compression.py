"""Answers in gzip, for browsers that accept it: a list of 50 workloads is a tenth of its size, and a site's network may be slow.

What is secret is never in a page, and other sites cannot have a page with a session made (SameSite=Strict): sizes tell them nothing.
"""

from __future__ import annotations

import zlib

from starlette.requests import Request
from starlette.responses import Response

from kelvin_provision.api.ui.weights import weights

SMALLEST = 1000
"""Bytes; below that the headers are most of it."""
_LEVEL = 6
_GZIP = zlib.MAX_WBITS | 16


def accepts(request: Request) -> bool:
    accepted = weights(",".join(request.headers.getlist("accept-encoding")))
    return accepted.get("gzip", accepted.get("*", 0.0)) > 0


def gzipped(body: bytes) -> bytes:
    packer = zlib.compressobj(_LEVEL, wbits=_GZIP)
    return packer.compress(body) + packer.flush()


def compressed(request: Request, response: Response) -> Response:
    """The same, in gzip where that is accepted and pays."""
    body = getattr(response, "body", b"") or b""
    if len(body) < SMALLEST or "content-encoding" in response.headers or not accepts(request):
        return response
    response.body = gzipped(body)
    response.headers["content-encoding"] = "gzip"
    response.headers["content-length"] = str(len(response.body))
    return response
