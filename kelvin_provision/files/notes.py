"""Reading a short text file in a folder that a workload may write to: bounded, and without following links."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from kelvin_provision import timestamps

MAX_BYTES = 4096
"""Longer text is cut."""


def read_note(path: Path) -> tuple[str, str] | None:
    """The file's text and when it was written; None for a missing file.

    A workload may create anything there: a link is not followed (its target could be a secret of this box), a pipe is not waited for, and
    what is not a regular file has no text.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        return _unreadable(path, error), ""
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            return f"({path.name} is not a regular file)", ""
        return printable(os.read(descriptor, MAX_BYTES)), timestamps.rfc3339_of_epoch(status.st_mtime)
    except OSError as error:
        return _unreadable(path, error), ""
    finally:
        os.close(descriptor)


def _unreadable(path: Path, error: OSError) -> str:
    return f"({path.name}: {(error.strerror or 'not readable').lower()})"


def printable(data: bytes) -> str:
    """One line without control characters, whatever the bytes are."""
    text = " ".join(data.decode("utf-8", "replace").split())
    return "".join(character if character.isprintable() else f"\\x{ord(character):02x}" for character in text)


def shortened(line: str, longest: int) -> str:
    """A line of at most `longest` characters: what is left out is its middle, as a cause tends to be said last."""
    if len(line) <= longest:
        return line
    mark = " ... "
    head = (longest - len(mark)) // 2
    return f"{line[:head]}{mark}{line[len(line) - (longest - len(mark) - head) :]}"
