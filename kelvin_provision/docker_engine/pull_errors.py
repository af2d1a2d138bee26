"""Docker Engine's messages about a pull as errors. It has no codes for them: most are a 404 or 500 with a sentence. Pure."""

from __future__ import annotations

from kelvin_provision.errors import (
    ImageNotFound,
    NoSpace,
    ProvisionError,
    RegistryBusy,
    RegistryDenied,
    RegistryRefused,
    RegistryUnreachable,
)

_PHRASES: tuple[tuple[type[ProvisionError], tuple[str, ...]], ...] = (
    (RegistryDenied, ("unauthorized", "denied", "authentication required", "no basic auth")),
    (NoSpace, ("no space left on device",)),
    (RegistryBusy, ("toomanyrequests", "too many requests", "service unavailable", "bad gateway")),
    (
        RegistryUnreachable,
        ("no such host", "refused", "timeout", "timed out", "unreachable", "unexpected eof", "connection reset", "no route"),
    ),
    (ImageNotFound, ("manifest unknown", "not found", "name unknown", "repository name not known", "no matching manifest")),
)


def pull_error(reference: str, message: str) -> ProvisionError:
    """The message itself is the evidence."""
    message, lower = message.strip(), message.lower()
    # "pull access denied ... repository does not exist or may require 'docker login'" is RegistryDenied: a login may help.
    error = next((error for error, phrases in _PHRASES if any(phrase in lower for phrase in phrases)), RegistryRefused)
    return error(f"{reference}: {message}", evidence=(message,))
