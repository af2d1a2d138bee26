"""What Docker Engine's words about a pull mean. It has no codes for them: most come as 404 or 500 with a sentence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from kelvin_provision.errors import (
    ImageNotFound,
    NoSpace,
    ProvisionError,
    RegistryBusy,
    RegistryDenied,
    RegistryRefused,
    RegistryUnreachable,
)

_MEANINGS: tuple[tuple[type[ProvisionError], tuple[str, ...]], ...] = (
    (RegistryDenied, ("unauthorized", "denied", "authentication required", "no basic auth")),
    (NoSpace, ("no space left on device",)),
    (RegistryBusy, ("toomanyrequests", "too many requests", "service unavailable", "bad gateway")),
    (
        RegistryUnreachable,
        ("no such host", "refused", "timeout", "timed out", "unreachable", "unexpected eof", "connection reset", "no route"),
    ),
    (ImageNotFound, ("manifest unknown", "not found", "name unknown", "repository name not known", "no matching manifest")),
)


def meaning(reference: str, words: str) -> ProvisionError:
    """The error that a sentence of the engine stands for; the sentence itself is the evidence."""
    low = words.lower()
    # "pull access denied ... repository does not exist or may require 'docker login'" may be either: a login heals one of them.
    cls = next((cls for cls, signs in _MEANINGS if any(sign in low for sign in signs)), RegistryRefused)
    return cls(f"{reference}: {words.strip()}", evidence=(words.strip(),))


@contextmanager
def pulling(reference: str) -> Iterator[None]:
    """Translate what a pull raises, or what stands in its stream (raised as RuntimeError)."""
    import docker

    try:
        yield
    except docker.errors.APIError as error:
        raise meaning(reference, str(error.explanation or error)) from error
    except RuntimeError as error:
        raise meaning(reference, str(error)) from error
