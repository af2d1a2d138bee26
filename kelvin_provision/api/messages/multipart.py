"""Forms with a file (multipart/form-data, RFC 7578), as browsers send them."""

from __future__ import annotations

import re

from starlette.requests import Request

from kelvin_provision.api.messages.refusals import Refusal

MOST_FIELDS = 16
_KIND = re.compile(r"""multipart/form-data\s*;\s*boundary=("?)([-0-9A-Za-z'()+_,./:=? ]{1,70})\1""", re.IGNORECASE)
_NAME = re.compile(rb"""content-disposition:[ \t]*form-data;[ \t]*name="([^"\r\n]{1,64})\"""", re.IGNORECASE)
_LONGEST_HEAD = 2048


def multipart_fields(request: Request, data: bytes) -> dict[str, bytes]:
    """The fields of a body that was read, each at most once; a file is its content. Raises Refusal."""
    kind = _KIND.fullmatch(request.headers.get("content-type", "").strip())
    if kind is None:
        raise Refusal("bad-body", "the body is not a form with a file (multipart/form-data)")
    before, *parts = (b"\r\n" + data).split(b"\r\n--" + kind[2].encode("ascii"), MOST_FIELDS + 2)
    if before or not parts or not parts[-1].startswith(b"--") or len(parts) > MOST_FIELDS + 1:
        raise Refusal("bad-body", "the body is not a whole form")
    fields: dict[str, bytes] = {}
    for part in parts[:-1]:
        head, divided, content = part.partition(b"\r\n\r\n")
        name = _NAME.search(head) if divided and len(head) <= _LONGEST_HEAD else None
        if name is None:
            raise Refusal("bad-body", "a part of the form has no name")
        key = name[1].decode("utf-8", "replace")
        if key in fields:
            raise Refusal("bad-body", "a field of the form is given twice")
        fields[key] = content
    return fields
