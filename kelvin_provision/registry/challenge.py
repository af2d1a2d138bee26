"""Parsing `WWW-Authenticate` (RFC 9110 section 11.6.1). Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

# Empty list elements are allowed. Each pattern can match a run of blanks in one way only: a header of 64 KiB must not take minutes.
_SCHEME = re.compile(r"\s*(?:,\s*)*([A-Za-z][A-Za-z0-9-]*)(?=[\s,]|$)(?!\s*=)")
_PARAMETER = re.compile(r'\s*(?:,\s*)*([A-Za-z0-9_-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')


@dataclass(frozen=True)
class Challenge:
    """`scheme` in lower case, and its parameters."""

    scheme: str
    parameters: dict[str, str]

    @property
    def realm(self) -> str:
        """The URL of the token service."""
        return self.parameters.get("realm", "")

    def token_url(self, scope: str) -> str:
        """The URL to request a token from; `scope` is used when the challenge has none."""
        query = {"service": self.parameters.get("service", ""), "scope": self.parameters.get("scope", scope)}
        separator = "&" if urlsplit(self.realm).query else "?"
        return f"{self.realm}{separator}{urlencode({key: value for key, value in query.items() if value})}"


def parse(header: str) -> tuple[Challenge, ...]:
    """All challenges of one header, in order; parsing ends at the first syntax error."""
    challenges, position = [], 0
    while (scheme := _SCHEME.match(header, position)) is not None:
        position, parameters = scheme.end(), {}
        while (parameter := _PARAMETER.match(header, position)) is not None:
            name, quoted, bare = parameter.groups()
            parameters[name.lower()] = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else bare
            position = parameter.end()
        challenges.append(Challenge(scheme[1].lower(), parameters))
    return tuple(challenges)
