"""What a runtime complains of when it does not import an image: of the image, or of itself. Pure.

An image that is to blame fails for good; a full or failing disk and a restart are the box's, and pass. Judge by the whole text: the cause
comes last, behind paths of several hundred characters.
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
        return RuntimeFailed(f"no import of {subject}", evidence=evidence)
    return None
