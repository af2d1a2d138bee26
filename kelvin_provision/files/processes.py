"""Processes of our own, started by another one of ours."""

from __future__ import annotations

import sys
from pathlib import Path


def own_process(module: str) -> list[str]:
    """The command line of a module of ours that starts in the same folder, and imports from there only if this process does.

    `python -m` imports from the folder first: of root, in a folder to which anybody can write, it would run anybody's `json.py`.
    """
    try:
        here = str(Path.cwd())
    except OSError:  # it was removed
        here = ""
    return [sys.executable, *([] if here in sys.path else ["-P"]), "-m", module]
