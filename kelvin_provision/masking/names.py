"""Which names promise a secret and which variables are known to be harmless. Pure.

A name is judged by its words, in whatever case it is written: `DB_PASSWORD`, `clientKeyData`, `x-api-key`. A name that ends in
`file` or `name` tells where a secret is and is none.
"""

from __future__ import annotations

import re
from functools import lru_cache

VARIABLES = frozenset({"env", "environment", "environment_vars"})
HEADERS = frozenset({"headers", "httpHeaders", "http_headers"})
COMMANDS = frozenset({"command", "args", "cmd", "entrypoint", "argv"})

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_INSIDE = re.compile(
    r"password|passwd|passwort|passphrase|passcode|secret|token|credential|(?:api|private|access|auth)key|connectionstring"
)
_WHOLE = frozenset({"key", "keys", "pass", "pwd", "pw", "psk", "auth", "authorization", "cookie", "cookies", "dsn", "sig", "signature"})
_ENTRY = frozenset({"key", "keys"})
"""Alone, the name of an entry, as in Kubernetes' `secretKeyRef` or our own settings."""

LOCATIONS = frozenset(
    {"ref", "name", "file", "path", "dir", "folder", "target", "length", "count", "expiry", "expires", "seconds", "ttl", "type", "mode"}
    | {"encoding", "optional"}
)
"""Last words of names that say where a secret is, or how it is stored."""

_HARMLESS = frozenset(
    {"level", "port", "ports", "host", "hostname", "timeout", "interval", "period", "retries", "size", "limit", "threads", "workers"}
    | {"debug", "verbose", "enabled", "environment", "region", "zone", "tz", "timezone", "lang", "language", "locale", "home", "version"}
    | {"format", "protocol", "topic", "namespace", "name", "file", "path", "dir", "folder", "mode", "count", "seconds", "type"}
)
"""Last words of variables whose values may be shown."""
_HARMLESS_PREFIXES = ("KELVIN_", "LC_")
_HARMLESS_VALUES = frozenset({"true", "false", "yes", "no", "on", "off"})
_HARMLESS_HEADERS = frozenset({"accept", "accept-encoding", "content-type", "content-length", "host", "user-agent", "connection"})


@lru_cache(maxsize=4096)
def promises_secret(name: str) -> bool:
    words = words_of(name)
    if not words or words[-1] in LOCATIONS or name.lower() in _ENTRY:
        return False
    return bool(_INSIDE.search("".join(words)) or _WHOLE.intersection(words))


def words_of(name: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(name)]


def is_harmless_variable(name: str, value: str) -> bool:
    """Whether the value of an environment variable may be shown. All others are hidden: `PIN`, `OPTS` and `X` hold secrets, too."""
    if promises_secret(name):
        return False
    return value.lower() in _HARMLESS_VALUES or name.startswith(_HARMLESS_PREFIXES) or not _HARMLESS.isdisjoint(words_of(name)[-1:])


def is_harmless_header(name: str) -> bool:
    return name.lower() in _HARMLESS_HEADERS
