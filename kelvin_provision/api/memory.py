"""Memory that was used once goes back to the kernel: this process lives for months on a small box.

scrypt takes 16 MiB for a login. When glibc frees such a piece it takes that size for usual from then on, and keeps all pieces up to it:
with its own rules, the first login made the process 16 MiB larger for good. Its rules can be set only before the process starts.
"""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec, module_from_spec
from types import ModuleType
from typing import Any

_RULES = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": "65536",
    "MALLOC_TRIM_THRESHOLD_": "65536",
    "MALLOC_TOP_PAD_": "16384",
}
"""mallopt(3). A threshold that is set explicitly is no longer adjusted by glibc."""


def start_with_rules() -> None:
    """Execute this command again, in the same process, with the rules set; that run removes them from the environment."""
    if not _RULES.keys() & os.environ.keys():
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], {**os.environ, **_RULES})  # noqa: S606  (no shell is meant)
    for name, value in _RULES.items():
        if os.environ.get(name) == value:
            del os.environ[name]


def import_server_only() -> None:
    """Uvicorn without its command line, its reloader and click, which its package imports: 1.6 MiB that this process never uses."""
    spec = find_spec("uvicorn")
    if spec is None or "uvicorn" in sys.modules:
        return
    package: Any = module_from_spec(spec)
    click: Any = ModuleType("click")
    click.style = lambda text, **_look: text
    sys.modules |= {"uvicorn": package, "click": click}
    from uvicorn.config import Config

    package.Config = Config  # parts of it ask the package for it
    from uvicorn.server import Server

    package.Server = Server
    del sys.modules["click"]
