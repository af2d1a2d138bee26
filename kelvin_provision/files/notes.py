"""Reading what somebody else has left in a folder of theirs: some text, never more, and nothing that it only points to."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from kelvin_provision import timestamps

MOST = 4096
"""Bytes of a reason; what is longer is cut."""


def read_note(path: Path) -> tuple[str, str] | None:
    """The file's text and when it was written, or None where there is none.

    The folder belongs to a workload, which may put there what it likes: a link is not followed (it could name a secret of the box), a
    pipe is not waited for, and what is no plain file has no text.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except NotADirectoryError:
        return None
    except OSError as error:
        return f"({path.name}: {(error.strerror or 'not readable').lower()})", ""
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            return f"({path.name} is no plain file)", ""
        return text_of(os.read(descriptor, MOST)), timestamps.rfc3339_of_epoch(found.st_mtime)
    except OSError as error:
        return f"({path.name}: {(error.strerror or 'not readable').lower()})", ""
    finally:
        os.close(descriptor)


def text_of(data: bytes) -> str:
    """One line that can be shown anywhere, whatever the bytes are."""
    words = " ".join(data.decode("utf-8", "replace").split())
    return "".join(sign if sign.isprintable() else f"\\x{ord(sign):02x}" for sign in words)
