"""Files as answers: whole, or a range of one (RFC 9110, section 14), so that a download that broke goes on."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass

from starlette.datastructures import Headers

from kelvin_provision.api.messages.refusals import Refusal
from kelvin_provision.api.messages.streams import Streamed

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


@dataclass(frozen=True)
class SentFile:
    """`tag` is that of its bytes; `body` gives them from one offset to another."""

    name: str
    media_type: str
    total: int
    tag: str
    body: Callable[[int, int], AsyncGenerator[bytes, None]]


def ranged(headers: Headers, file: SentFile) -> Streamed:
    """Raises Refusal for a range behind the end."""
    tag, total = f'"{file.tag}"', file.total
    common = {"accept-ranges": "bytes", "etag": tag, "content-disposition": f'attachment; filename="{file.name}"'}
    part = _part(headers.get("range", ""), total) if headers.get("if-range", tag) == tag else None
    start, end = part or (0, total)
    more = {"content-range": f"bytes {start}-{end - 1}/{total}"} if part else {}
    return Streamed(
        file.body(start, end), file.media_type, {**common, **more, "content-length": str(end - start)}, status=206 if part else 200
    )


def _part(text: str, total: int) -> tuple[int, int] | None:
    """None for the whole: without a range, for several, and for another unit, which a server may all ignore."""
    match = _RANGE.fullmatch(text.strip())
    if match is None or match.group(1) == match.group(2) == "":
        return None
    first, last = match.groups()
    if not first:
        start, end = max(total - int(last), 0), total
    else:
        start, end = int(first), min(int(last) + 1, total) if last else total
        if last and int(last) < start:
            return None
    if start >= end:
        text = f"the range {text[:60]} is behind the end: there are {total} bytes"
        raise Refusal("range-refused", text, headers={"content-range": f"bytes */{total}"})
    return start, end
