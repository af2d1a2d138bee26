"""Why a runtime does not import an image: because of the image, or because of its own failure. Pure.

A failure caused by the image is permanent; a full or failing disk and a restart are problems of the box, which pass. Pass the whole text:
the cause comes last, after paths of several hundred characters.
"""

from __future__ import annotations

from collections.abc import Sequence

from kelvin_provision.errors import NoSpace, ProvisionError, RuntimeFailed

_FULL = ("no space left on device", "no space left", "disk quota exceeded")
_OWN_TROUBLE = (
    # of the disk, and of what the kernel gives
    "input/output error",
    "read-only file system",
    "permission denied",
    "operation not permitted",
    "too many open files",
    "cannot allocate memory",
    "resource temporarily unavailable",
    "structure needs cleaning",
    "stale file handle",
    # of the daemon, which ends or hangs
    "code = unavailable",
    "failed to dial",
    "connection error",
    "error reading from server",
    "transport is closing",
    "deadline exceeded",
)


def own_trouble(subject: str, text: str, evidence: Sequence[str]) -> ProvisionError | None:
    """The error when the runtime itself fails; None when it may be the image. `subject`: `r.io/pump:1 in containerd`."""
    lower = text.lower()
    if any(phrase in lower for phrase in _FULL):
        return NoSpace(f"no space left for {subject}", evidence=evidence)
    if any(phrase in lower for phrase in _OWN_TROUBLE):
        return RuntimeFailed(f"the import of {subject} failed", evidence=evidence)
    return None
