"""Which names promise a secret, for all that covers secrets before people see them. Pure.

Judged by the words of a name, in whatever case it is written: `DB_PASSWORD`, `clientKeyData`, `x-api-key`. A name that ends
in `file` or `name` tells where a secret is and is none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_INSIDE = re.compile(
    r"password|passwd|passwort|passphrase|passcode|secret|token|credential|(?:api|private|access|auth)key|connectionstring"
)
_WHOLE = frozenset({"key", "keys", "pass", "pwd", "pw", "psk", "auth", "authorization", "cookie", "cookies", "dsn", "sig", "signature"})
_ONLY_WHERE = frozenset({"ref", "name", "file", "path", "dir", "folder", "length", "count", "expiry", "expires", "seconds", "ttl", "type"})
_PROJECTED = frozenset({"key", "path", "mode"})
_MOUNTED = frozenset({"secretName", "items", "defaultMode", "optional"})
"""Kubernetes' words for where a secret is to appear, none of which is one."""


@lru_cache(maxsize=4096)
def promises_secret(name: str) -> bool:
    """Whether what stands under this name is nobody's business."""
    words = [word.lower() for word in _PART.findall(name)]
    if not words or words[-1] in _ONLY_WHERE:
        return False
    return bool(_INSIDE.search("".join(words)) or _WHOLE.intersection(words))


def stands_under(value: Mapping[str, Any], above: str) -> Iterator[tuple[str, Any, str]]:
    """Each key and value with the name that counts: in `{name: X, value: Y}`, Y stands under X; a secret's parts are secret."""
    pair = value["name"] if isinstance(value.get("name"), str) and "value" in value else None
    of_secret = str(value.get("kind")).lower() == "secret"
    if {"key", "path"} <= value.keys() <= _PROJECTED or ("secretName" in value and value.keys() <= _MOUNTED):
        above = "ref"
    for key, item in value.items():
        name = str(key)
        last = (_PART.findall(name) or [""])[-1].lower()
        if pair is not None and key in {"name", "value"}:
            yield key, item, pair if key == "value" else name
        elif of_secret and key in {"data", "stringData"}:
            yield key, item, "secret"
        else:
            yield key, item, above if _reaches(above) and last not in _ONLY_WHERE else name


def _reaches(above: str) -> bool:
    """Whether a name counts for all that is in it: what is in a secret is secret, what is in a reference to one is not."""
    return promises_secret(above) or (_PART.findall(above) or [""])[-1].lower() == "ref"
