"""The signatures of a request: a header with the base64 of the document that stands in FILE.sig, over exactly the bytes of the body."""

from __future__ import annotations

import binascii

from starlette.requests import Request

from kelvin_provision.errors import SignatureInvalid

HEADER = "X-Kelvin-Signature"
_LONGEST = 24 * 1024
"""Characters; more than the base64 of the largest document."""


def signatures(request: Request) -> str | None:
    """The document; what is in it is checked with the body. Raises SignatureInvalid."""
    values = request.headers.getlist(HEADER)
    if not values:
        return None
    if len(values) > 1 or len(values[0]) > _LONGEST:
        raise SignatureInvalid(f"{HEADER} is given {len(values)} times" if len(values) > 1 else f"{HEADER} is too long")
    try:
        return binascii.a2b_base64(values[0], strict_mode=True).decode("ascii")
    except ValueError:
        raise SignatureInvalid(f"{HEADER} is not the base64 of a file of signatures", hint="send: base64 -w0 FILE.sig") from None
