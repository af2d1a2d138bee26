"""Fields of frozen values that are kept as compressed text, and read from it again whenever they are asked for.

For values that are in memory in thousands: a workload with its two versions is 21 KiB as objects of Python, and a tenth of that so.
What a field is does not depend on it, nor on when it is asked for: the text is the value's own.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeVar

from kelvin_provision.fast_dataclass import FOLDED

T = TypeVar("T")

MANY = 500
"""Where no more values than this are in memory together, none is folded: it would take time and save nothing."""
_RECENT = 16
"""Read values that are kept: of one text, several fields are asked for one after the other, and equal texts are often neighbours."""


def fold(text: str) -> bytes:
    """A JSON document as it is kept."""
    import zlib  # who reads few needs it not

    return zlib.compress(text.encode(), level=1)


def unfold(kept: bytes) -> Any:
    """The document."""
    import zlib

    return json.loads(zlib.decompress(kept))


class _Foldable:
    """What an instance has as it is comes before this, and costs nothing more."""

    def __init__(self, name: str, number: int, read: Callable[[bytes], Any]) -> None:
        self._name, self._number, self._read = name, number, read

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        kept = vars(instance).get(FOLDED) if instance is not None else None
        if kept is None:
            raise AttributeError(self._name)
        return self._read(kept[self._number])


def foldable(cls: type, **reads: Callable[[bytes], Any]) -> None:
    """Say which fields of a class may be folded, and how each is read from what is kept of it."""
    for number, (name, read) in enumerate(reads.items()):
        setattr(cls, name, _Foldable(name, number, read))


def set_folded(instance: object, **kept: bytes | None) -> None:
    """Fold fields of a value that was made just now: all that its class has, in that order; one that is None is left as it is."""
    values = vars(instance)
    for name, text in kept.items():
        if text is not None:
            del values[name]
    values[FOLDED] = tuple(kept.values())


def reader(read: Callable[[Any], T]) -> Callable[[bytes], T]:
    """What `read` makes of the document."""
    return lru_cache(maxsize=_RECENT)(lambda kept: read(unfold(kept)))
