"""What a stream can show, and writing to it. stdout and stderr are judged separately."""

from __future__ import annotations

import errno
import os
import re
import sys
from collections.abc import Iterable
from contextlib import suppress
from enum import StrEnum
from typing import TYPE_CHECKING, TextIO

from kelvin_provision.errors import CannotWrite
from kelvin_provision.masking.controls import harmless

if TYPE_CHECKING:
    from kelvin_provision.cli.frame.session import Session

_USUAL = 80
_NARROW = 52
"""The parser wraps help to at least 50 characters, and leaves two columns free."""


_DIGEST = r"\b(sha(?:256|512):[0-9a-f]{12})[0-9a-f]{52,116}\b"

_TIME = re.compile(r"T\d\d:\d\d:\d\d")


class Colour(StrEnum):
    """As SGR parameters (ECMA-48)."""

    RED = "31"
    GREEN = "32"
    YELLOW = "33"
    CYAN = "36"
    BOLD = "1"


def is_terminal(stream: TextIO) -> bool:
    """False for a closed stream."""
    try:
        return stream.isatty()
    except ValueError:
        return False


def can_draw(stream: TextIO) -> bool:
    """Whether the cursor may be moved."""
    return is_terminal(stream) and os.environ.get("TERM") != "dumb"


def is_coloured(stream: TextIO, session: Session) -> bool:
    """NO_COLOR counts when it is set and not empty (no-color.org)."""
    return can_draw(stream) and not session.no_color and not os.environ.get("NO_COLOR")


def narrow_width() -> int | None:
    """The width of a terminal too narrow for typer's help; None for a wide enough one."""
    width = columns()
    return width if is_narrow(width) else None


def is_narrow(width: int) -> bool:
    """Whether a terminal is too narrow for typer's help."""
    return width < _NARROW


def columns() -> int:
    """What `shutil.get_terminal_size` returns: importing that takes longer than printing a help."""
    with suppress(KeyError, ValueError):
        if (given := int(os.environ["COLUMNS"])) > 0:
            return given
    with suppress(AttributeError, ValueError, OSError):
        return os.get_terminal_size(sys.__stdout__.fileno()).columns or _USUAL  # type: ignore[union-attr]
    return _USUAL


def name_column(width: int) -> int:
    """The maximum width of the column of names in help."""
    return 30 if width > _NARROW else 16


def is_utf8(stream: TextIO) -> bool:
    """Whether characters beyond ASCII can be written."""
    return (stream.encoding or "").lower().replace("-", "").replace("_", "") == "utf8"


def painted(text: str, colour: Colour, *, on: bool) -> str:
    """The text with its colour sequences, if `on`."""
    return f"\x1b[{colour}m{text}\x1b[0m" if on else text


def plain(text: str) -> str:
    """Control characters made visible, in any text: nothing but the program controls the terminal."""
    return harmless(text)


def shown(text: str, session: Session) -> str:
    """A text of ours for a person: plain, with times on the box's clock and digests of 12 digits; whole ones with -v and -o wide."""
    return quoted(_with_local_times(text), session)


def quoted(text: str, session: Session) -> str:
    """The same for what others wrote, whose times are left as they are."""
    return plain(text) if session.whole else with_short_digests(plain(text))


def _with_local_times(text: str) -> str:
    if not _TIME.search(text):
        return text
    from kelvin_provision.timestamps import with_local_times  # the list has no times most of the time

    return with_local_times(text)


def with_short_digests(text: str) -> str:
    return re.sub(_DIGEST, r"\1", text) if "sha" in text else text


def write(stream: TextIO, text: str) -> None:
    """Write and flush; characters that the encoding lacks are escaped and never an error."""
    try:
        stream.write(text)
    except UnicodeEncodeError:
        encoding = stream.encoding or "ascii"
        stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
    stream.flush()


def lost(error: OSError) -> str:
    """Why an answer could not be written to stdout."""
    return "standard output is closed" if error.errno == errno.EBADF else f"standard output: {(error.strerror or str(error)).lower()}"


def send(chunks: Iterable[bytes]) -> None:
    """Write a file to stdout as it is. A reader that is gone is no error. Raises CannotWrite, and what making the chunks raises."""
    try:
        for chunk in chunks:
            sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        abandon(sys.stdout)
    except OSError as error:
        abandon(sys.stdout)
        raise CannotWrite(lost(error), hint="the file is not whole") from error


def abandon(stream: TextIO) -> None:
    """The reader is gone, or the disk is full: what is left in the buffer must not fail the program at its exit."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def cells(text: str) -> int:
    """The width on a terminal: East Asian wide characters take two columns, combining ones none."""
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width

    return sum(0 if combining(sign) else 2 if east_asian_width(sign) in "WF" else 1 for sign in text)
