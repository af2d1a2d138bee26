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
from kelvin_provision.refs import Reference

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
    """In words; the message itself is the evidence."""
    message, lower = message.strip(), message.lower()
    # "pull access denied ... repository does not exist or may require 'docker login'" is RegistryDenied: a login may help.
    error = next((error for error, phrases in _PHRASES if any(phrase in lower for phrase in phrases)), RegistryRefused)
    return error(_words(reference, error, message), evidence=(message,))


def _words(text: str, error: type[ProvisionError], message: str) -> str:
    try:
        reference = Reference.parse(text)
    except ProvisionError:
        return f"{text}: {message}"
    image = str(reference).removeprefix(f"{reference.host}/")
    if error is ImageNotFound:
        return f"the registry {reference.host} has no {image}"
    if error is RegistryDenied:
        return f"the registry {reference.host} denies access to {image}"
    if error is RegistryUnreachable:
        return f"the registry {reference.host} does not answer ({message.rpartition(': ')[2]})"
    return f"{text}: {message}"
