"""So that this process stays small: rules for memory, and what the libraries import that it never uses."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec, module_from_spec
from types import ModuleType
from typing import Any

from kelvin_provision.api_service.memory import RULES


def start_with_rules() -> None:
    """Execute this command again, in the same process, with the rules set, unless they are; that run removes them from the environment."""
    if not RULES.keys() & os.environ.keys():
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], {**RULES, **os.environ})  # noqa: S606  (no shell is meant)
    for name, value in RULES.items():
        if os.environ.get(name) == value:
            del os.environ[name]


def import_server_only() -> None:
    """Uvicorn without its command line, its reloader, click and files that configure logging: 2.4 MiB that this process never uses."""
    spec = find_spec("uvicorn")
    if spec is None or "uvicorn" in sys.modules:
        return
    package: Any = module_from_spec(spec)
    click: Any = ModuleType("click")
    click.style = lambda text, **_look: text
    stands_in = {"uvicorn": package, "click": click, "logging.config": ModuleType("logging.config")}
    sys.modules |= stands_in
    from uvicorn.config import Config

    package.Config = Config  # parts of it ask the package for it
    from uvicorn.server import Server

    package.Server = Server
    for name in stands_in.keys() - {"uvicorn"}:
        del sys.modules[name]
