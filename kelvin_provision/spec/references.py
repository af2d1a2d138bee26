"""References to secrets of this box, replaced by their values just before objects are sent and never stored.

People write `<% secrets.NAME %>`; `<% registries.HOST %>` (a pull secret of that registry) is written by our rendering only
and refused in requests.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

REFERENCE = re.compile(r"<%\s*((?:secrets|registries)\.[A-Za-z0-9][-A-Za-z0-9_.:]*)\s*%>")


def references_in(value: Any) -> Iterator[str]:
    """What a document refers to (`secrets.NAME`, `registries.HOST`), in order, with repetitions."""
    if isinstance(value, str):
        yield from REFERENCE.findall(value)
    elif isinstance(value, dict):
        for item in value.values():
            yield from references_in(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from references_in(item)


def fill(value: Any, lookup: Callable[[str], str]) -> Any:
    """A copy of a document with every reference replaced by what `lookup` says; it raises SecretMissing."""
    if isinstance(value, str):
        return REFERENCE.sub(lambda match: lookup(match[1]), value)
    if isinstance(value, dict):
        return {key: fill(item, lookup) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [fill(item, lookup) for item in value]
    return value


def is_literal(value: str) -> bool:
    """Whether the text itself is a secret. A text with a reference in it is taken for a template."""
    return bool(value.strip()) and not any(references_in(value))
