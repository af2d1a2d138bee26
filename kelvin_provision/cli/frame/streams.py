"""Standard streams that the caller closed (`>&-`), opened before anything else can get their numbers.

A ledger that is opened as number 2 would get the error messages.
"""

from __future__ import annotations

import os
import sys


def open_closed() -> None:
    """Open what is closed of descriptors 0 to 2. May be called again.

    A closed stdin is empty and a closed stderr swallows everything. A closed stdout takes nothing: writing fails as it did, with EBADF,
    because an answer that is lost has to be reported.
    """
    for number, flags in ((0, os.O_RDONLY), (1, os.O_RDONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, flags)  # gets the lowest free number, which is this one
    # The interpreter gives no object to a stream that was closed when it started.
    if sys.stdin is None:
        sys.stdin = open(0, closefd=False)  # noqa: SIM115  (a descriptor, for the life of the process)
    if sys.stdout is None:
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(2, "w", closefd=False, errors="backslashreplace")  # noqa: SIM115
