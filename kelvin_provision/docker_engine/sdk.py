"""The docker SDK and requests, on which it stands: import them from here, and only where they are needed (100 ms).

requests guesses the encoding of an answer that names none with charset_normalizer: 2 MiB in the memory of the agent for good. What Docker
Engine and registries answer is UTF-8, as JSON always is.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

_stand_in: Any = ModuleType("charset_normalizer")
_stand_in.__version__ = "3.0.0"
_stand_in.detect = lambda _content: {"encoding": "utf-8"}
_real = sys.modules.get("charset_normalizer")
sys.modules["charset_normalizer"] = _stand_in

import docker  # noqa: E402
import requests  # noqa: E402
from docker import auth  # noqa: E402

del sys.modules["charset_normalizer"]
if _real:
    sys.modules["charset_normalizer"] = _real

__all__ = ["auth", "docker", "requests"]
