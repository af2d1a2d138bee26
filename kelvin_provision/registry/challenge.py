"""What a registry wants to see: `WWW-Authenticate`, read as RFC 9110 section 11.6.1 writes it. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

# Empty list elements are allowed. Each pattern has one way only to match a run of blanks: a header of 64 KiB must not cost minutes.
_SCHEME = re.compile(r"\s*(?:,\s*)*([A-Za-z][A-Za-z0-9-]*)(?=[\s,]|$)(?!\s*=)")
_PARAMETER = re.compile(r'\s*(?:,\s*)*([A-Za-z0-9_-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')


@dataclass(frozen=True)
class Challenge:
    """`scheme` in lower case, and its parameters."""

    scheme: str
    parameters: dict[str, str]

    @property
    def realm(self) -> str:
        """Where tokens are given out."""
        return self.parameters.get("realm", "")

    def token_url(self, scope: str) -> str:
        """The URL to ask for a token; `scope` when the challenge has none of its own."""
        query = {"service": self.parameters.get("service", ""), "scope": self.parameters.get("scope", scope)}
        mark = "&" if urlsplit(self.realm).query else "?"
        return f"{self.realm}{mark}{urlencode({key: value for key, value in query.items() if value})}"


def parse(header: str) -> tuple[Challenge, ...]:
    """All challenges of one header, in order; what cannot be read ends the list."""
    found, at = [], 0
    while (scheme := _SCHEME.match(header, at)) is not None:
        at, parameters = scheme.end(), {}
        while (parameter := _PARAMETER.match(header, at)) is not None:
            name, quoted, bare = parameter.groups()
            parameters[name.lower()] = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else bare
            at = parameter.end()
        found.append(Challenge(scheme[1].lower(), parameters))
    return tuple(found)
