"""What the server warns of in `Warning` headers (RFC 7234, code 299): deprecated versions, PodSecurity, fields that have no effect."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable

_WARNING = re.compile(r'299 \S+ "((?:[^"\\]|\\.)*)"')
_ESCAPE = re.compile(r"\\(.)")
MOST = 20
"""Kept of one thread until they are taken."""


class ServerWarnings:
    """Each thread has those of its own requests."""

    def __init__(self) -> None:
        self._local = threading.local()

    def record(self, headers: Iterable[str]) -> None:
        kept: dict[str, None] = self._local.__dict__.setdefault("kept", {})
        for header in headers:
            for text in _WARNING.findall(header):
                if len(kept) < MOST:
                    kept[_ESCAPE.sub(r"\1", text)] = None

    def take(self) -> tuple[str, ...]:
        """Each text once, in their order; the next call returns later ones."""
        return tuple(self._local.__dict__.pop("kept", {}))
