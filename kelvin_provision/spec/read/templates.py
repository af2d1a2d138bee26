"""Text that a template engine has to make a document of first. Pure."""

from __future__ import annotations

import re

_ACTION = re.compile(r"""\{\{-?(?:[^{}]*(?<![\w$])\.(?:Values|Release|Chart|Capabilities)\b|\s*include\s+")""")
HELM_TEMPLATE = "this is an unrendered Helm template; give the output of `helm template`"


def is_helm_template(text: str) -> bool:
    """Whether the text has actions that only Helm has. Other braces may be what a program wants to read."""
    return _ACTION.search(text) is not None
