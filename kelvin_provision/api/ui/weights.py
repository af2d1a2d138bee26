"""What a browser prefers, by RFC 9110, section 12.4.2: `de-AT, en;q=0.8`, `gzip, br;q=0`. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

LONGEST, MOST = 1000, 50
"""Characters of a header and values in it; browsers send a dozen."""
_VALUE = re.compile(r"[ \t]*(\*|[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*)(?:[ \t]*;[ \t]*[qQ]=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?))?[ \t]*")


def weights(header: str) -> Mapping[str, float]:
    """By value in lower case, in the order of the header; nothing of one that is not valid, or too long."""
    parts = header.split(",", MOST) if len(header) <= LONGEST else []
    result: dict[str, float] = {}
    for part in parts if len(parts) <= MOST else []:
        if not part.strip(" \t"):
            continue  # a list may have empty elements
        match = _VALUE.fullmatch(part)
        if match is None:
            return {}
        result[match[1].lower()] = float(match[2] or 1)
    return result
